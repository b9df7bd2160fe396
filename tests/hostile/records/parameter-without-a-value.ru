# record: prune
# breaks: parameterValue
DELETE { ?x mls:hasValue ?v } WHERE { ?x a pm:ParameterSetting ; mls:hasValue ?v }
