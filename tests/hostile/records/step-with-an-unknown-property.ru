# record: prune
# breaks: Step
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:Step }
