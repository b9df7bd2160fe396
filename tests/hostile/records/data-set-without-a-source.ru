# record: evaluation
# breaks: source
DELETE { ?x dcterms:source ?v } WHERE { ?x a pm:DataSet ; dcterms:source ?v }
