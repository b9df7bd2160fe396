# record: check
# breaks: associationsAgree
DELETE { ?x prov:wasAssociatedWith ?v } WHERE { ?x prov:wasAssociatedWith ?v . ?v a prov:Person }
