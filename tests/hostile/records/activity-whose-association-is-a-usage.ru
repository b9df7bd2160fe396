# record: check
# breaks: qualifiedAssociation
DELETE { ?a a prov:Association } INSERT { ?x prov:qualifiedAssociation ?u } WHERE { ?x a pm:Check ; prov:qualifiedUsage ?u }
