# record: retirement
# breaks: retirementTypes
INSERT { ?x a prov:Entity } WHERE { ?x a pm:Retirement }
