# record: failed-step
# breaks: ended
INSERT { ?x prov:endedAtTime "2026-02-01T00:00:00Z"^^xsd:dateTime } WHERE { ?x a pm:Step }
