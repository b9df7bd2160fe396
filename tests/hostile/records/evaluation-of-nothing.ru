# record: evaluation
# breaks: evaluates
DELETE { ?x pm:evaluates ?v } WHERE { ?x a pm:EvaluationResult ; pm:evaluates ?v }
