# record: prune
# breaks: contentsAddUp
DELETE { ?x dcat:byteSize ?v } INSERT { ?x dcat:byteSize 1 } WHERE { ?x a pm:Content ; dcat:byteSize ?v }
