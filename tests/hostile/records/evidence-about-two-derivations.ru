# record: check
# breaks: aboutDerivation evidenceIsAboutWhatWasUsed
INSERT { ?x pm:aboutDerivation <known:other#derivation-0> } WHERE { ?x a pm:Evidence }
