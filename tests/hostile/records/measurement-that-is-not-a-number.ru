# record: prune
# breaks: plainLiterals
DELETE { ?x pm:metricValue ?v } INSERT { ?x pm:metricValue "NaN"^^xsd:double } WHERE { ?x a pm:Measurement ; pm:metricValue ?v }
