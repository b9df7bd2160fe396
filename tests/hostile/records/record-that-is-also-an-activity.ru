# record: import
# breaks: recordTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:Record }
