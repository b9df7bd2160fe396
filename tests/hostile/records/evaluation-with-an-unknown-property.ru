# record: evaluation
# breaks: EvaluationResult
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:EvaluationResult }
