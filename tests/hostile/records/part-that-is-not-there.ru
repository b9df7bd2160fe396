# record: prune
# breaks: pointsInside
INSERT { ?x pm:hadParameter ?p } WHERE { ?x a pm:Prune . BIND(IRI(CONCAT(STR(?x), "#parameter-9")) AS ?p) }
