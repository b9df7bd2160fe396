# record: prune
# breaks: contentsAddUp
DELETE { ?x pm:fileCount ?v } INSERT { ?x pm:fileCount 9 } WHERE { ?x a pm:Content ; pm:fileCount ?v }
