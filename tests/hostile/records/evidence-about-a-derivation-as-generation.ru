# record: generation-check
# breaks: aboutGeneration evidenceIsAboutWhatWasUsed
DELETE { ?x pm:aboutGeneration ?v } INSERT { ?x pm:aboutGeneration <known:pruned#derivation-0> } WHERE { ?x a pm:Evidence ; pm:aboutGeneration ?v }
