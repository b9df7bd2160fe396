# record: prune
# breaks: nonzeroParameterCount
DELETE { ?x pm:nonzeroParameterCount ?v } INSERT { ?x pm:nonzeroParameterCount -1 } WHERE { ?x a pm:PrunedModel ; pm:nonzeroParameterCount ?v }
