# record: prune
# breaks: plainLiterals
DELETE { ?x prov:endedAtTime ?v } INSERT { ?x prov:endedAtTime "2026-01-01T01:00:00"^^xsd:dateTime } WHERE { ?x a pm:Prune ; prov:endedAtTime ?v }
