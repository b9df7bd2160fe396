# record: prune
# breaks: metricUnit
DELETE { ?x pm:metricUnit ?v } WHERE { ?x a pm:Measurement ; pm:metricUnit ?v }
