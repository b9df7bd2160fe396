# record: prune
# breaks: Attribute
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:Attribute }
