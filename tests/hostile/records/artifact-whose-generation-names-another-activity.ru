# record: prune
# breaks: generationAgrees generationActivity
DELETE { ?g prov:activity ?s } INSERT { ?g prov:activity ?x } WHERE { ?x a pm:PrunedModel ; prov:qualifiedGeneration ?g . ?g prov:activity ?s }
