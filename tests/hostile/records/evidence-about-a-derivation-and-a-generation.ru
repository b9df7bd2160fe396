# record: check
# breaks: evidenceIsAboutOneEdge
INSERT { ?x pm:aboutGeneration <known:later#generation> } WHERE { ?x a pm:Evidence }
