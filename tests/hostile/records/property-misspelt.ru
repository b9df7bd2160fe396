# record: prune
# breaks: Step usagesAgree
DELETE { ?x prov:used ?v } INSERT { ?x prov:uses ?v } WHERE { ?x prov:used ?v }
