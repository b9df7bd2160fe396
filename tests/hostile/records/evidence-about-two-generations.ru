# record: generation-check
# breaks: aboutGeneration evidenceIsAboutWhatWasUsed
INSERT { ?x pm:aboutGeneration <known:other#generation> } WHERE { ?x a pm:Evidence }
