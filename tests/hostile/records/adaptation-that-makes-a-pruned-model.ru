# record: prune
# breaks: adaptMakes
DELETE { ?x a pm:Prune } INSERT { ?x a pm:Adapt } WHERE { ?x a pm:Prune }
