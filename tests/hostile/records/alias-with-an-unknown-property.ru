# record: promotion
# breaks: AliasAssignment
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:AliasAssignment }
