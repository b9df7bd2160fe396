# record: file
# breaks: fileName
DELETE { ?f pm:fileName ?n } INSERT { ?f pm:fileName "../model.safetensors" } WHERE { ?f pm:fileName ?n }
