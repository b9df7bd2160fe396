# record: failed-step
# breaks: stepFollowsItsRun
INSERT { ?x pplan:correspondsToStep <known:other-recipe#step-1> } WHERE { ?x a pm:Step }
