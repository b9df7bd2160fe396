# record: prune
# breaks: derivationUsage
DELETE { ?x prov:hadUsage ?v } WHERE { ?x a prov:Derivation ; prov:hadUsage ?v }
