# record: prune
# breaks: attributeName
DELETE { ?x pm:attributeName ?v } WHERE { ?x a pm:Attribute ; pm:attributeName ?v }
