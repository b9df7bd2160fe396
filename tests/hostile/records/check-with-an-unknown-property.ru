# record: check
# breaks: Activity
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:Check }
