# record: prune
# breaks: stepTypes
INSERT { ?x a prov:Entity } WHERE { ?x a pm:Prune }
