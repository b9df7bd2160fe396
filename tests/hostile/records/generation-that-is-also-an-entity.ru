# record: prune
# breaks: generationTypes
INSERT { ?x a prov:Entity } WHERE { ?x a prov:Generation }
