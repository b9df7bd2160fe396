# record: prune
# breaks: Generation
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a prov:Generation }
