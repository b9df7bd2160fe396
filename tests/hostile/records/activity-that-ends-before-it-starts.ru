# record: failed-step
# breaks: startsBeforeItEnds
DELETE { ?x prov:endedAtTime ?e ; prov:used ?used ; prov:qualifiedUsage ?u . ?u ?p ?o } INSERT { ?x prov:endedAtTime "2020-01-01T00:00:00Z"^^xsd:dateTime } WHERE { ?x a pm:Step ; prov:endedAtTime ?e ; prov:used ?used ; prov:qualifiedUsage ?u . ?u ?p ?o }
