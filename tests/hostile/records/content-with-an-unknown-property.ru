# record: prune
# breaks: Content
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:Content }
