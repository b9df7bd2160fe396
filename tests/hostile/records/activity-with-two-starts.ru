# record: check
# breaks: started
INSERT { ?x prov:startedAtTime "2026-01-01T00:00:00Z"^^xsd:dateTime } WHERE { ?x a pm:Check }
