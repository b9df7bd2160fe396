# record: prune
# breaks: qualifiedDerivation
INSERT { ?x prov:qualifiedDerivation ?g } WHERE { ?x a pm:PrunedModel ; prov:qualifiedGeneration ?g }
