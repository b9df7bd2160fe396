# record: prune
# breaks: metricValue
DELETE { ?x pm:metricValue ?v } INSERT { ?x pm:metricValue 1 } WHERE { ?x a pm:Measurement ; pm:metricValue ?v }
