# record: generation-check
# breaks: aboutGeneration
DELETE { ?x pm:aboutGeneration ?v } INSERT { ?x pm:aboutGeneration <known:base#attribute-0> } WHERE { ?x a pm:Evidence ; pm:aboutGeneration ?v }
