# record: check
# breaks: usageRole
DELETE { ?x prov:hadRole ?v } WHERE { ?x a prov:Usage ; prov:hadRole ?v }
