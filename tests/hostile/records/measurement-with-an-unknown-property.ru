# record: prune
# breaks: Measurement
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:Measurement }
