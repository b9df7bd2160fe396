# record: failed-step
# breaks: isStepOf
INSERT { ?x pm:isStepOf <known:other-run> } WHERE { ?x a pm:Step }
