# record: check
# breaks: usageTime
DELETE { ?x prov:atTime ?v } WHERE { ?x a prov:Usage ; prov:atTime ?v }
