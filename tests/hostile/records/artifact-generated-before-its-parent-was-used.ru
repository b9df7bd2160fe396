# record: prune
# breaks: generatedAfterItsUses
DELETE { ?x prov:generatedAtTime ?t . ?g prov:atTime ?t } INSERT { ?x prov:generatedAtTime ?start . ?g prov:atTime ?start } WHERE { ?x a pm:PrunedModel ; prov:generatedAtTime ?t ; prov:qualifiedGeneration ?g ; prov:wasGeneratedBy/prov:startedAtTime ?start }
