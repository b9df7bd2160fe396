# record: file
# breaks: fileName
DELETE { ?f pm:fileName ?n } INSERT { ?f pm:fileName "weights/" } WHERE { ?f pm:fileName ?n }
