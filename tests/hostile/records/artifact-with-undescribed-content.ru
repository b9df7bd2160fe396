# record: prune
# breaks: content
DELETE { ?x pm:hasContent ?v } INSERT { ?x pm:hasContent <ni:///sha-256;unknown> } WHERE { ?x a pm:PrunedModel ; pm:hasContent ?v }
