# record: failed-step
# breaks: isStepOf
DELETE { ?x pm:isStepOf ?v } INSERT { ?x pm:isStepOf <urn:uuid:unknown> } WHERE { ?x a pm:Step ; pm:isStepOf ?v }
