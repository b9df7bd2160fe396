# record: failed-step
# breaks: startsWithinItsRun
DELETE { ?x prov:startedAtTime ?s } INSERT { ?x prov:startedAtTime "2026-01-01T00:00:00.5Z"^^xsd:dateTime } WHERE { ?x a pm:Step ; prov:startedAtTime ?s }
