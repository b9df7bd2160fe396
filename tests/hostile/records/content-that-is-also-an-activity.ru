# record: prune
# breaks: contentTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:Content }
