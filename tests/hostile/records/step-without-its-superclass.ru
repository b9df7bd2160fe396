# record: prune
# breaks: stepTypes generatedBy generationActivity derivationActivity mergeMakes
DELETE { ?x a prov:Activity } INSERT { ?x a pm:Merge } WHERE { ?x a pm:Prune }
