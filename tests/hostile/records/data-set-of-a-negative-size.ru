# record: evaluation
# breaks: byteSize
DELETE { ?x dcat:byteSize ?v } INSERT { ?x dcat:byteSize -1 } WHERE { ?x a pm:DataSet ; dcat:byteSize ?v }
