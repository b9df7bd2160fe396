# record: prune
# breaks: byteSize
DELETE { ?x dcat:byteSize ?v } WHERE { ?x a pm:Content ; dcat:byteSize ?v }
