# record: prune
# breaks: stepSeed
DELETE { ?x pm:seed ?v } INSERT { ?x pm:seed "zero" } WHERE { ?x a pm:Step ; pm:seed ?v }
