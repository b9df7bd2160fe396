# record: prune
# breaks: fileCount
DELETE { ?x pm:fileCount ?v } WHERE { ?x a pm:Content ; pm:fileCount ?v }
