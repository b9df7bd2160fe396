# record: closing
# breaks: RunClosing
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:RunClosing }
