# record: check
# breaks: evidenceIsAboutWhatWasUsed
DELETE { ?x pm:aboutDerivation ?v } INSERT { ?x pm:aboutDerivation <known:other#derivation-0> } WHERE { ?x a pm:Evidence ; pm:aboutDerivation ?v }
