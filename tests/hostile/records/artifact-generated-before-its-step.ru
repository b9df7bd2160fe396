# record: import
# breaks: generatedAfterTheStart
DELETE { ?x prov:generatedAtTime ?t . ?g prov:atTime ?t } INSERT { ?x prov:generatedAtTime "2020-01-01T00:00:00Z"^^xsd:dateTime . ?g prov:atTime "2020-01-01T00:00:00Z"^^xsd:dateTime } WHERE { ?x a pm:BaseModel ; prov:generatedAtTime ?t ; prov:qualifiedGeneration ?g }
