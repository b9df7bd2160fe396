# record: run
# breaks: Recipe
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:Recipe }
