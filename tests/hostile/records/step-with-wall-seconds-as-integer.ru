# record: prune
# breaks: wallSeconds
DELETE { ?x pm:wallSeconds ?v } INSERT { ?x pm:wallSeconds 3 } WHERE { ?x a pm:Step ; pm:wallSeconds ?v }
