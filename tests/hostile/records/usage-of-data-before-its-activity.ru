# record: evaluation
# breaks: usedAfterTheStart
DELETE { ?u prov:atTime ?t } INSERT { ?u prov:atTime "2020-01-01T00:00:00Z"^^xsd:dateTime } WHERE { ?u prov:entity ?d ; prov:atTime ?t . ?d a pm:DataSet }
