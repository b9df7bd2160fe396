# record: prune
# breaks: threadCount
DELETE { ?x pm:threadCount ?v } INSERT { ?x pm:threadCount 0 } WHERE { ?x a pm:Environment ; pm:threadCount ?v }
