# record: failed-step
# breaks: endsBeforeItsRunIsClosed
DELETE { ?x pm:isStepOf ?v } INSERT { ?x pm:isStepOf <known:closed-run> } WHERE { ?x a pm:Step ; pm:isStepOf ?v }
