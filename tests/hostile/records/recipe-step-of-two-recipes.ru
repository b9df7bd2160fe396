# record: run
# breaks: isStepOfPlan
INSERT { ?x pplan:isStepOfPlan ?x } WHERE { ?x a pm:RecipeStep ; pm:position 0 }
