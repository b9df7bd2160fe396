# record: prune
# breaks: metricName
DELETE { ?x pm:metricName ?v } WHERE { ?x a pm:Measurement ; pm:metricName ?v }
