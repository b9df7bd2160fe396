# record: check
# breaks: evidenceTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:Evidence }
