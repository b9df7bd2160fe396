# record: prune
# breaks: hasAParent
DELETE { ?x prov:wasDerivedFrom ?p ; prov:qualifiedDerivation ?d . ?d ?q ?o } WHERE { ?x a pm:PrunedModel ; prov:wasDerivedFrom ?p ; prov:qualifiedDerivation ?d . ?d ?q ?o }
