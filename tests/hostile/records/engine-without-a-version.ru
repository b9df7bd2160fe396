# record: prune
# breaks: version
DELETE { ?x pm:version ?v } WHERE { ?x a pm:Engine ; pm:version ?v }
