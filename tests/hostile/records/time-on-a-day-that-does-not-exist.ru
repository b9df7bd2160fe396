# record: prune
# breaks: plainLiterals
DELETE { ?x prov:endedAtTime ?v } INSERT { ?x prov:endedAtTime "2026-02-30T01:00:00Z"^^xsd:dateTime } WHERE { ?x a pm:Prune ; prov:endedAtTime ?v }
