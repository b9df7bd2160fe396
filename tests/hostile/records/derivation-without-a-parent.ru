# record: prune
# breaks: derivationEntity derivationsAgree
DELETE { ?x prov:entity ?v } WHERE { ?x a prov:Derivation ; prov:entity ?v }
