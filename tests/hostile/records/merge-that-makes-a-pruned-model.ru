# record: prune
# breaks: mergeMakes
DELETE { ?x a pm:Prune } INSERT { ?x a pm:Merge } WHERE { ?x a pm:Prune }
