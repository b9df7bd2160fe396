# record: prune
# breaks: outcomeFits
DELETE { ?x pm:outcome ?v } INSERT { ?x pm:outcome pm:failed ; pm:errorMessage "no" } WHERE { ?x a pm:Step ; pm:outcome ?v }
