# record: prune
# breaks: File
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:File }
