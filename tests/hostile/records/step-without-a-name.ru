# record: failed-step
# breaks: stepName
DELETE { ?x pm:stepName ?v } WHERE { ?x a pm:Step ; pm:stepName ?v }
