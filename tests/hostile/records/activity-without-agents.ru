# record: check
# breaks: qualifiedAssociation associatedWith
DELETE { ?x prov:wasAssociatedWith ?v ; prov:qualifiedAssociation ?a . ?a ?p ?o } WHERE { ?x prov:wasAssociatedWith ?v ; prov:qualifiedAssociation ?a . ?a ?p ?o }
