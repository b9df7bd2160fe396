# record: check
# breaks: aboutDerivation
DELETE { ?x pm:aboutDerivation ?v } INSERT { ?x pm:aboutDerivation <known:later#generation> } WHERE { ?x a pm:Evidence ; pm:aboutDerivation ?v }
