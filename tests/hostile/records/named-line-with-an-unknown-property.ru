# record: prune
# breaks: Model
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:Model }
