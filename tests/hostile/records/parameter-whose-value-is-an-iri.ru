# record: prune
# breaks: parameterValue
DELETE { ?x mls:hasValue ?v } INSERT { ?x mls:hasValue <known:base> } WHERE { ?x a pm:ParameterSetting ; mls:hasValue ?v }
