# record: closing
# breaks: closingTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:RunClosing }
