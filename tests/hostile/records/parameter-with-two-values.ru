# record: prune
# breaks: parameterValue
INSERT { ?x mls:hasValue 7 } WHERE { ?x a pm:ParameterSetting }
