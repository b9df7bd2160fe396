# record: prune
# breaks: environmentTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:Environment }
