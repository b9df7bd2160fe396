# record: tagging
# breaks: TagAssignment
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:TagAssignment }
