# record: retirement
# breaks: retiresWhatExists
DELETE { ?x prov:startedAtTime ?s ; prov:endedAtTime ?e } INSERT { ?x prov:startedAtTime "2020-01-01T00:00:00Z"^^xsd:dateTime ; prov:endedAtTime "2020-01-01T00:00:00Z"^^xsd:dateTime } WHERE { ?x a pm:Retirement ; prov:startedAtTime ?s ; prov:endedAtTime ?e }
