# record: run
# breaks: recipeStepTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:RecipeStep }
