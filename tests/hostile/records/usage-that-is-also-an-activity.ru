# record: prune
# breaks: usageTypes
INSERT { ?x a prov:Activity } WHERE { ?x a prov:Usage }
