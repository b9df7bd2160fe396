# record: file
# breaks: fileName
DELETE { ?f pm:fileName ?n } INSERT { ?f pm:fileName "..\\model" } WHERE { ?f pm:fileName ?n }
