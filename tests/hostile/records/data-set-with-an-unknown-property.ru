# record: evaluation
# breaks: DataSet
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:DataSet }
