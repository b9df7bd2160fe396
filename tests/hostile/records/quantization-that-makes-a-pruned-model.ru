# record: prune
# breaks: quantizeMakes
DELETE { ?x a pm:Prune } INSERT { ?x a pm:Quantize } WHERE { ?x a pm:Prune }
