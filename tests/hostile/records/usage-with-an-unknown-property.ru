# record: prune
# breaks: Usage
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a prov:Usage }
