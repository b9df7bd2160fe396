# record: prune
# breaks: associationTypes
INSERT { ?x a prov:Entity } WHERE { ?x a prov:Association }
