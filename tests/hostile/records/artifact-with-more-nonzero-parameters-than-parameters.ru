# record: prune
# breaks: nonzeroAreParameters
DELETE { ?x pm:nonzeroParameterCount ?v } INSERT { ?x pm:nonzeroParameterCount 1001 } WHERE { ?x a pm:PrunedModel ; pm:nonzeroParameterCount ?v }
