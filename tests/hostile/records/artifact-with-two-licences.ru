# record: prune
# breaks: license
INSERT { ?x dcterms:license "MIT" } WHERE { ?x a pm:PrunedModel }
