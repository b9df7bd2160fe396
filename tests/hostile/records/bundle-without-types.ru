# record: prune
# breaks: hasAKnownKind namesItself
DELETE { ?x a ?t } WHERE { ?x a pm:Record, ?t }
