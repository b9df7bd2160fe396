# record: prune
# breaks: hadParameter
DELETE { ?x pm:hadParameter ?p . ?p ?q ?o } INSERT { ?x pm:hadParameter ?p . ?p a pm:Measurement ; pm:metricName "m" ; pm:metricValue 1.0e0 ; pm:metricUnit "1" } WHERE { ?x a pm:Step ; pm:hadParameter ?p . ?p ?q ?o }
