# record: prune
# breaks: knownShapesVersion
DELETE { ?x pm:shapesVersion ?v } INSERT { ?x pm:shapesVersion "99.0.0" } WHERE { ?x a pm:Record ; pm:shapesVersion ?v }
