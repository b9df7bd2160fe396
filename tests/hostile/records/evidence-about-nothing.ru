# record: check
# breaks: evidenceIsAboutOneEdge
DELETE { ?x pm:aboutDerivation ?v } WHERE { ?x a pm:Evidence ; pm:aboutDerivation ?v }
