# record: run
# breaks: runFollowsItsRecipe
DELETE { ?x prov:hadPlan ?v } WHERE { ?x prov:hadPlan ?v }
