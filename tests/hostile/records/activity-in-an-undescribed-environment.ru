# record: check
# breaks: environment
DELETE { ?x pm:inEnvironment ?v } INSERT { ?x pm:inEnvironment <ni:///sha-256;unknown> } WHERE { ?x a pm:Check ; pm:inEnvironment ?v }
