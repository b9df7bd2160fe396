# record: run
# breaks: position
DELETE { ?x pm:position ?v } WHERE { ?x a pm:RecipeStep ; pm:position ?v }
