# record: prune
# breaks: fileTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:File }
