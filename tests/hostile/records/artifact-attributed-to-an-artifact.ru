# record: prune
# breaks: attributedTo
DELETE { ?x prov:wasAttributedTo ?v } INSERT { ?x prov:wasAttributedTo <known:base> } WHERE { ?x a pm:PrunedModel ; prov:wasAttributedTo ?v }
