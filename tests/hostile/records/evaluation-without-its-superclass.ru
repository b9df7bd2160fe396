# record: evaluation
# breaks: evaluationTypes
DELETE { ?x a mls:ModelEvaluation } WHERE { ?x a pm:EvaluationResult }
