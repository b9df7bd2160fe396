# record: prune
# breaks: derivationGeneration
DELETE { ?x prov:hadGeneration ?v } WHERE { ?x a prov:Derivation ; prov:hadGeneration ?v }
