# record: prune
# breaks: derivedFrom derivationsAgree
INSERT { ?x prov:wasDerivedFrom <urn:uuid:unknown> } WHERE { ?x a pm:PrunedModel }
