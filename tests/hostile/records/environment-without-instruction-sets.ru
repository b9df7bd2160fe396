# record: prune
# breaks: cpuFlags
DELETE { ?x pm:cpuFlags ?v } WHERE { ?x a pm:Environment ; pm:cpuFlags ?v }
