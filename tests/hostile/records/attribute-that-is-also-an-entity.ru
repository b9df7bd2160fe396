# record: prune
# breaks: attributeTypes
INSERT { ?x a prov:Entity } WHERE { ?x a pm:Attribute }
