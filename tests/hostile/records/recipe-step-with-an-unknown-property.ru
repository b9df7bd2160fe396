# record: run
# breaks: RecipeStep
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:RecipeStep }
