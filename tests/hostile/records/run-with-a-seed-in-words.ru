# record: run
# breaks: runSeed
DELETE { ?x pm:seed ?v } INSERT { ?x pm:seed "zero" } WHERE { ?x a pm:Run ; pm:seed ?v }
