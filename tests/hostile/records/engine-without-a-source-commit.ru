# record: prune
# breaks: sourceCommit
DELETE { ?x pm:sourceCommit ?v } WHERE { ?x a pm:Engine ; pm:sourceCommit ?v }
