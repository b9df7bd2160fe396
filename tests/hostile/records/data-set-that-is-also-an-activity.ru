# record: evaluation
# breaks: dataSetTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:DataSet }
