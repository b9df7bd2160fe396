# record: failed-step
# breaks: outcomeFits
DELETE { ?x pm:errorMessage ?v } WHERE { ?x a pm:Step ; pm:errorMessage ?v }
