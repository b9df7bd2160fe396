# record: file
# breaks: fileName
DELETE { ?f pm:fileName ?n } INSERT { ?f pm:fileName "a//b" } WHERE { ?f pm:fileName ?n }
