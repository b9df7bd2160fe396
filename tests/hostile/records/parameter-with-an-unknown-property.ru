# record: prune
# breaks: ParameterSetting
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:ParameterSetting }
