# record: prune
# breaks: hadMeasurement
INSERT { ?x pm:hadMeasurement ?p } WHERE { ?x a pm:Step ; pm:hadParameter ?p }
