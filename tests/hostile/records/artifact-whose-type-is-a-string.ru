# record: prune
# breaks: linksToANode
INSERT { ?x a "PrunedModel" } WHERE { ?x a pm:PrunedModel }
