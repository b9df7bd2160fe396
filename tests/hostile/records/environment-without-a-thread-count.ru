# record: prune
# breaks: threadCount
DELETE { ?x pm:threadCount ?v } WHERE { ?x a pm:Environment ; pm:threadCount ?v }
