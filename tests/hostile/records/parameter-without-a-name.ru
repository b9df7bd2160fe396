# record: prune
# breaks: parameterName
DELETE { ?x pm:parameterName ?v } WHERE { ?x a pm:ParameterSetting ; pm:parameterName ?v }
