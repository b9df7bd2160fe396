# record: prune
# breaks: parameterCount
DELETE { ?x pm:parameterCount ?v ; pm:nonzeroParameterCount ?n } INSERT { ?x pm:parameterCount -1 }
WHERE { ?x a pm:PrunedModel ; pm:parameterCount ?v ; pm:nonzeroParameterCount ?n }
