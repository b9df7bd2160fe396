# record: prune
# breaks: attribute
DELETE { ?p ?q ?o } INSERT { ?p a pm:Measurement ; pm:metricName "m" ; pm:metricValue 1.0e0 ; pm:metricUnit "1" } WHERE { ?x pm:hasAttribute ?p . ?p ?q ?o }
