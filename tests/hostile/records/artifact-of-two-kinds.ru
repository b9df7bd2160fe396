# record: prune
# breaks: artifactTypes
INSERT { ?x a pm:QuantizedModel } WHERE { ?x a pm:PrunedModel }
