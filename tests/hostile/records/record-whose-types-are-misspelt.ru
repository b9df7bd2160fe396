# record: prune
# breaks: hasAKnownKind
DELETE { ?x a ?t } INSERT { ?x a ?u } WHERE { ?x a ?t FILTER(?t != pm:Record) BIND(IRI(CONCAT(STR(?t), "s")) AS ?u) }
