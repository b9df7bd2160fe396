# record: prune
# breaks: pruneMakes
DELETE { ?x a pm:PrunedModel } INSERT { ?x a pm:QuantizedModel } WHERE { ?x a pm:PrunedModel }
