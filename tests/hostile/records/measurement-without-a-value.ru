# record: prune
# breaks: metricValue
DELETE { ?x pm:metricValue ?v } WHERE { ?x a pm:Measurement ; pm:metricValue ?v }
