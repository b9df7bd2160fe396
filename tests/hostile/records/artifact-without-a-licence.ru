# record: prune
# breaks: license
DELETE { ?x dcterms:license ?v } WHERE { ?x a pm:PrunedModel ; dcterms:license ?v }
