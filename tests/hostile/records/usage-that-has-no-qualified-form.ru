# record: check
# breaks: usagesAgree
INSERT { ?x prov:used <known:base> } WHERE { ?x a pm:Check }
