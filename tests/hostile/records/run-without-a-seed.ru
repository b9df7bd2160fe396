# record: run
# breaks: runSeed
DELETE { ?x pm:seed ?v } WHERE { ?x a pm:Run ; pm:seed ?v }
