# record: promotion
# breaks: aliasTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:AliasAssignment }
