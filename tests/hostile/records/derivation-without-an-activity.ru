# record: prune
# breaks: derivationActivity
DELETE { ?x prov:hadActivity ?v } WHERE { ?x a prov:Derivation ; prov:hadActivity ?v }
