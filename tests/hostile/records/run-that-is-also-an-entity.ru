# record: run
# breaks: runTypes
INSERT { ?x a prov:Entity } WHERE { ?x a pm:Run }
