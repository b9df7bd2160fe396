# record: prune
# breaks: namesItsParts
INSERT { ?x pm:hadParameter ?p . ?p a pm:ParameterSetting, mls:HyperParameterSetting ; pm:parameterName "p" ; mls:hasValue 1 }
WHERE { ?x a pm:Prune . ?a a pm:PrunedModel . BIND(IRI(CONCAT(STR(?a), "#parameter-0")) AS ?p) }
