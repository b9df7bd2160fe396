# record: prune
# breaks: cacheKey
DELETE { ?x pm:cacheKey ?v } INSERT { ?x pm:cacheKey "444444444444444444444444444444444444444444444444444444444444444" } WHERE { ?x a pm:Step ; pm:cacheKey ?v }
