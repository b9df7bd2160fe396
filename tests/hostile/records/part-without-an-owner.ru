# record: prune
# breaks: belongsToAnOwner
DELETE { ?x pm:hadMeasurement ?m } WHERE { ?x pm:hadMeasurement ?m }
