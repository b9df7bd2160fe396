# record: check
# breaks: Evidence
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:Evidence }
