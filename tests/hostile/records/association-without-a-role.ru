# record: check
# breaks: associationRole
DELETE { ?x prov:hadRole ?v } WHERE { ?x a prov:Association ; prov:hadRole ?v }
