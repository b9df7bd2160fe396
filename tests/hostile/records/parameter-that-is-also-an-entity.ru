# record: prune
# breaks: parameterTypes
INSERT { ?x a prov:Entity } WHERE { ?x a pm:ParameterSetting }
