# record: evaluation
# breaks: evaluatesWhatWasUsed
DELETE { ?x pm:comparedWith ?v } INSERT { ?x pm:comparedWith <known:other> } WHERE { ?x a pm:EvaluationResult ; pm:comparedWith ?v }
