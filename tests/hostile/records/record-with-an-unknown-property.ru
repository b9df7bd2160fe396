# record: import
# breaks: Record
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:Record }
