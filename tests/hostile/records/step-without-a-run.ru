# record: failed-step
# breaks: isStepOf
DELETE { ?x pm:isStepOf ?v } WHERE { ?x a pm:Step ; pm:isStepOf ?v }
