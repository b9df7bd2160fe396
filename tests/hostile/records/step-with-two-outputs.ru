# record: prune
# breaks: oneOutput
INSERT { ?b ?p ?o . ?b prov:qualifiedGeneration ?bg ; prov:qualifiedDerivation ?bd . ?bg ?gp ?go . ?bd ?dp ?do . ?bd prov:hadGeneration ?bg } WHERE { ?a a pm:PrunedModel ; ?p ?o ; prov:qualifiedGeneration ?g ; prov:qualifiedDerivation ?d . ?g ?gp ?go . ?d ?dp ?do . BIND(<urn:uuid:second> AS ?b) BIND(<urn:uuid:second#generation> AS ?bg) BIND(<urn:uuid:second#derivation-0> AS ?bd) FILTER(?p NOT IN (prov:qualifiedGeneration, prov:qualifiedDerivation, pm:hasAttribute)) FILTER(?dp != prov:hadGeneration) }
