# record: prune
# breaks: evaluateMakes
DELETE { ?x a pm:Prune } INSERT { ?x a pm:Evaluate } WHERE { ?x a pm:Prune }
