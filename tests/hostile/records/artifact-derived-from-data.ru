# record: evaluation
# breaks: parentsAreArtifacts
INSERT { ?x prov:wasDerivedFrom ?e ; prov:qualifiedDerivation ?d . ?d a prov:Derivation ; prov:entity ?e ; prov:hadActivity ?s ; prov:hadUsage ?u ; prov:hadGeneration ?g } WHERE { ?x a pm:EvaluationResult ; prov:wasGeneratedBy ?s ; prov:qualifiedGeneration ?g . ?s prov:qualifiedUsage ?u . ?u prov:entity ?e . ?e a pm:DataSet . BIND(IRI(CONCAT(STR(?x), "#derivation-9")) AS ?d) }
