# record: file
# breaks: fileName
DELETE { ?x pm:fileName ?v } WHERE { ?x a pm:File ; pm:fileName ?v }
