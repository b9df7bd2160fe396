# record: check
# breaks: activityTypes
INSERT { ?x a prov:Entity } WHERE { ?x a pm:Check }
