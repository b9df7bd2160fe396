# record: failed-step
# breaks: stepVersion
DELETE { ?x pm:stepVersion ?v } WHERE { ?x a pm:Step ; pm:stepVersion ?v }
