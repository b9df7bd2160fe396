# record: prune
# breaks: log
DELETE { ?x pm:log ?v } INSERT { ?x pm:log "run.log" } WHERE { ?x a pm:Step ; pm:log ?v }
