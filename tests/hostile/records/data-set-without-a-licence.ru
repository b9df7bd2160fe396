# record: evaluation
# breaks: license
DELETE { ?x dcterms:license ?v } WHERE { ?x a pm:DataSet ; dcterms:license ?v }
