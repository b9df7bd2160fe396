# record: prune
# breaks: Derivation
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a prov:Derivation }
