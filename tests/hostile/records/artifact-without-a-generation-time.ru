# record: prune
# breaks: generatedAt generationTimeAgrees
DELETE { ?x prov:generatedAtTime ?v } WHERE { ?x a pm:PrunedModel ; prov:generatedAtTime ?v }
