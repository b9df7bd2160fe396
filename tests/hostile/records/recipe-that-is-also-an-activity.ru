# record: run
# breaks: recipeTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:Recipe }
