# record: run
# breaks: Run
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:Run }
