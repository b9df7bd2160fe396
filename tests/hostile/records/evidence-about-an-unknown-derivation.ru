# record: check
# breaks: aboutDerivation evidenceIsAboutWhatWasUsed
DELETE { ?x pm:aboutDerivation ?v } INSERT { ?x pm:aboutDerivation <urn:uuid:unknown#derivation-0> } WHERE { ?x a pm:Evidence ; pm:aboutDerivation ?v }
