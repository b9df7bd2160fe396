# record: prune
# breaks: attributeValue
DELETE { ?x pm:attributeValue ?v } WHERE { ?x a pm:Attribute ; pm:attributeValue ?v }
