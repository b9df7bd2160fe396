# record: failed-step
# breaks: outcomeFits
DELETE { ?x pm:outcome ?v ; pm:errorMessage ?m } INSERT { ?x pm:outcome pm:succeeded } WHERE { ?x a pm:Step ; pm:outcome ?v ; pm:errorMessage ?m }
