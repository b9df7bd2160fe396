# record: check
# breaks: qualifiedUsage
INSERT { ?x prov:qualifiedUsage ?a } WHERE { ?x a pm:Check ; prov:qualifiedAssociation ?a . ?a prov:hadRole pm:engineRole }
