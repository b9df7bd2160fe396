# record: prune
# breaks: content
DELETE { ?x pm:hasContent ?v } WHERE { ?x a pm:PrunedModel ; pm:hasContent ?v }
