# record: prune
# breaks: cpuModel
DELETE { ?x pm:cpuModel ?v } WHERE { ?x a pm:Environment ; pm:cpuModel ?v }
