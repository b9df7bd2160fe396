# record: prune
# breaks: artifactTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:PrunedModel }
