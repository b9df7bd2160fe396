# record: retirement
# breaks: invalidated
DELETE { ?x prov:invalidated ?v } WHERE { ?x a pm:Retirement ; prov:invalidated ?v }
