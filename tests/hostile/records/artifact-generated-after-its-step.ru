# record: prune
# breaks: generatedBeforeItsEnd
DELETE { ?x prov:generatedAtTime ?t . ?g prov:atTime ?t } INSERT { ?x prov:generatedAtTime "2030-01-01T00:00:00Z"^^xsd:dateTime . ?g prov:atTime "2030-01-01T00:00:00Z"^^xsd:dateTime } WHERE { ?x a pm:PrunedModel ; prov:generatedAtTime ?t ; prov:qualifiedGeneration ?g }
