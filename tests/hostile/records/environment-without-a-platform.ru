# record: prune
# breaks: platform
DELETE { ?x pm:platform ?v } WHERE { ?x a pm:Environment ; pm:platform ?v }
