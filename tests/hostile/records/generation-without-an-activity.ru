# record: prune
# breaks: generationActivity generationAgrees
DELETE { ?x prov:activity ?v } WHERE { ?x a prov:Generation ; prov:activity ?v }
