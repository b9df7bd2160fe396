# record: prune
# breaks: engineTypes
INSERT { ?x a prov:Entity } WHERE { ?x a pm:Engine }
