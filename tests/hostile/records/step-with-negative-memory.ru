# record: prune
# breaks: peakMemory
DELETE { ?x pm:peakMemoryBytes ?v } INSERT { ?x pm:peakMemoryBytes -1 } WHERE { ?x a pm:Step ; pm:peakMemoryBytes ?v }
