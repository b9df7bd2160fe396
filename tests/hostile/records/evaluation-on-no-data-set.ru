# record: evaluation
# breaks: onDataSet
DELETE { ?x pm:onDataSet ?v } WHERE { ?x a pm:EvaluationResult ; pm:onDataSet ?v }
