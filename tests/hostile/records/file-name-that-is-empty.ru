# record: file
# breaks: fileName
DELETE { ?f pm:fileName ?n } INSERT { ?f pm:fileName "" } WHERE { ?f pm:fileName ?n }
