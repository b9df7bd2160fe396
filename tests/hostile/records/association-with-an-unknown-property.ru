# record: prune
# breaks: Association
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a prov:Association }
