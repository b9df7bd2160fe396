# record: check
# breaks: environment
DELETE { ?x pm:inEnvironment ?v } WHERE { ?x a pm:Check ; pm:inEnvironment ?v }
