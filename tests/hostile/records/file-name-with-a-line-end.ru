# record: file
# breaks: fileName
DELETE { ?f pm:fileName ?n } INSERT { ?f pm:fileName "model.gguf\n" } WHERE { ?f pm:fileName ?n }
