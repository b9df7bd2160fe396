# record: check
# breaks: agent associationsAgree
DELETE { ?x prov:agent ?v } WHERE { ?x a prov:Association ; prov:agent ?v }
