# record: prune
# breaks: pointsInside
DELETE { ?x prov:wasGeneratedBy ?v } INSERT { ?x prov:wasGeneratedBy <known:old-step> } WHERE { ?x a pm:PrunedModel ; prov:wasGeneratedBy ?v }
