# record: prune
# breaks: stepTypes quantizeMakes
INSERT { ?x a pm:Quantize } WHERE { ?x a pm:Prune }
