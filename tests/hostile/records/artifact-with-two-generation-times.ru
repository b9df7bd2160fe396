# record: prune
# breaks: generatedAt generationTimeAgrees
INSERT { ?x prov:generatedAtTime ?e } WHERE { ?x a pm:PrunedModel ; prov:wasGeneratedBy ?s . ?s prov:endedAtTime ?e}
