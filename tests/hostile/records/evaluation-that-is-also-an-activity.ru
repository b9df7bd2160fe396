# record: evaluation
# breaks: evaluationTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:EvaluationResult }
