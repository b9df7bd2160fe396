# record: prune
# breaks: importHasNoParent
DELETE { ?s a pm:Prune . ?x a pm:PrunedModel } INSERT { ?s a pm:Import . ?x a pm:BaseModel } WHERE { ?s a pm:Prune . ?x a pm:PrunedModel }
