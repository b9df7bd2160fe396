# record: prune
# breaks: label
INSERT { ?x rdfs:label "another" } WHERE { ?x a pm:PrunedModel }
