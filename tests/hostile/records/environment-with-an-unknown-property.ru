# record: prune
# breaks: Environment
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:Environment }
