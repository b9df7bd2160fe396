# record: prune
# breaks: generationTime generationTimeAgrees
DELETE { ?x prov:atTime ?v } WHERE { ?x a prov:Generation ; prov:atTime ?v }
