# record: failed-step
# breaks: outcome
DELETE { ?x pm:outcome ?v } WHERE { ?x a pm:Step ; pm:outcome ?v }
