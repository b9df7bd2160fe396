# record: retirement
# breaks: invalidated
INSERT { ?x prov:invalidated <known:other> } WHERE { ?x a pm:Retirement }
