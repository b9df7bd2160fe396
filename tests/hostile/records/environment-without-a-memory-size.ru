# record: prune
# breaks: memory
DELETE { ?x pm:memoryBytes ?v } WHERE { ?x a pm:Environment ; pm:memoryBytes ?v }
