# record: import
# breaks: ontologyVersion
DELETE { ?x pm:ontologyVersion ?v } WHERE { ?x a pm:Record ; pm:ontologyVersion ?v }
