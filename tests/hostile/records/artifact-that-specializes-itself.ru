# record: prune
# breaks: specializationOf
DELETE { ?x prov:specializationOf ?v } INSERT { ?x prov:specializationOf ?x } WHERE { ?x a pm:PrunedModel ; prov:specializationOf ?v }
