# record: prune
# breaks: parameterNamesDiffer
DELETE { ?p pm:parameterName ?n } INSERT { ?p pm:parameterName "sparsity" } WHERE { ?p pm:parameterName ?n }
