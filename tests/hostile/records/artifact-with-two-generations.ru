# record: prune
# breaks: qualifiedGeneration
INSERT { ?x prov:qualifiedGeneration ?n . ?n a prov:Generation ; prov:activity ?s ; prov:atTime ?t } WHERE { ?x a pm:PrunedModel ; prov:wasGeneratedBy ?s ; prov:generatedAtTime ?t . BIND(IRI(CONCAT(STR(?x), "#generation-2")) AS ?n) }
