# record: prune
# breaks: generationTimeAgrees
DELETE { ?g prov:atTime ?t } INSERT { ?g prov:atTime "2026-01-01T00:00:00Z"^^xsd:dateTime } WHERE { ?g a prov:Generation ; prov:atTime ?t }
