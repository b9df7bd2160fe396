# record: tagging
# breaks: tagTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:TagAssignment }
