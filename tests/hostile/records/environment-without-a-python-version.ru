# record: prune
# breaks: pythonVersion
DELETE { ?x pm:pythonVersion ?v } WHERE { ?x a pm:Environment ; pm:pythonVersion ?v }
