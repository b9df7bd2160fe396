# record: prune
# breaks: modelTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:Model }
