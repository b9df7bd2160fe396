# record: prune
# breaks: convertMakes
DELETE { ?x a pm:Prune } INSERT { ?x a pm:Convert } WHERE { ?x a pm:Prune }
