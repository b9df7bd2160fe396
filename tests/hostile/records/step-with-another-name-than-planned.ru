# record: failed-step
# breaks: stepFollowsItsRun
INSERT { ?x pplan:correspondsToStep <known:recipe#step-0> } WHERE { ?x a pm:Step }
