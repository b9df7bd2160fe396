# record: prune
# breaks: hasAKnownKind
DELETE { ?x a ?t } WHERE { ?x a pm:PrunedModel, ?t }
