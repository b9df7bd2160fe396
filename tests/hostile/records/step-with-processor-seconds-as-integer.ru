# record: prune
# breaks: cpuSeconds
DELETE { ?x pm:cpuSeconds ?v } INSERT { ?x pm:cpuSeconds 3 } WHERE { ?x a pm:Step ; pm:cpuSeconds ?v }
