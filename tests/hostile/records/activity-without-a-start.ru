# record: check
# breaks: started
DELETE { ?x prov:startedAtTime ?v } WHERE { ?x a pm:Check ; prov:startedAtTime ?v }
