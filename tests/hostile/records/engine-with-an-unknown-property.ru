# record: prune
# breaks: Engine
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:Engine }
