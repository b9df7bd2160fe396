# record: prune
# breaks: plainLiterals
DELETE { ?x pm:metricValue ?v } INSERT { ?x pm:metricValue 0.5 } WHERE { ?x a pm:Measurement ; pm:metricValue ?v }
