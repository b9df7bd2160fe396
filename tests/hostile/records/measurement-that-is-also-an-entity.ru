# record: prune
# breaks: measurementTypes
INSERT { ?x a prov:Entity } WHERE { ?x a pm:Measurement }
