# record: file
# breaks: fileName
DELETE { ?f pm:fileName ?n } INSERT { ?f pm:fileName "/etc/passwd" } WHERE { ?f pm:fileName ?n }
