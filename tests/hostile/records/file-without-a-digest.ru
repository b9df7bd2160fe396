# record: prune
# breaks: sha256
DELETE { ?x pm:sha256 ?v } WHERE { ?x a pm:File ; pm:sha256 ?v }
