# record: prune
# breaks: usedAfterTheStart usesWhatExists
DELETE { ?x prov:atTime ?v } INSERT { ?x prov:atTime "2020-01-01T00:00:00Z"^^xsd:dateTime } WHERE { ?x a prov:Usage ; prov:atTime ?v }
