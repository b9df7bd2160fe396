# record: prune
# breaks: derivationsAgree
INSERT { ?x prov:wasDerivedFrom <known:pruned> } WHERE { ?x a pm:PrunedModel }
