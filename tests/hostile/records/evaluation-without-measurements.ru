# record: evaluation
# breaks: evaluationMeasurement
DELETE { ?x pm:hadMeasurement ?m . ?m ?p ?o } WHERE { ?x pm:hadMeasurement ?m . ?m ?p ?o }
