# record: continued-run
# breaks: continuesAnEarlierRun
DELETE { ?x prov:startedAtTime ?s . ?u prov:atTime ?t } INSERT { ?x prov:startedAtTime "2025-01-01T00:00:00Z"^^xsd:dateTime . ?u prov:atTime "2025-01-01T00:00:00Z"^^xsd:dateTime } WHERE { ?x a pm:Run ; prov:startedAtTime ?s ; prov:qualifiedUsage ?u . ?u prov:atTime ?t }
