# record: prune
# breaks: label
DELETE { ?x rdfs:label ?v } WHERE { ?x a pm:PrunedModel ; rdfs:label ?v }
