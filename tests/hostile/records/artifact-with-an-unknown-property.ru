# record: prune
# breaks: Artifact
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:PrunedModel }
