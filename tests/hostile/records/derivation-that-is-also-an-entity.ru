# record: prune
# breaks: derivationTypes
INSERT { ?x a prov:Entity } WHERE { ?x a prov:Derivation }
