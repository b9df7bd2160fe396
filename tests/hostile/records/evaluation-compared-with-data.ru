# record: evaluation
# breaks: comparedWith
DELETE { ?x pm:comparedWith ?v } INSERT { ?x pm:comparedWith ?d } WHERE { ?x a pm:EvaluationResult ; pm:comparedWith ?v ; pm:onDataSet ?d }
