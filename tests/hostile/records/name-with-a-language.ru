# record: prune
# breaks: plainLiterals
DELETE { ?x rdfs:label ?v } INSERT { ?x rdfs:label "example"@en } WHERE { ?x a pm:PrunedModel ; rdfs:label ?v }
