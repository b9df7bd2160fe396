# record: failed-step
# breaks: correspondsToStep
INSERT { ?x pplan:correspondsToStep <known:recipe#step-1>, <known:recipe#step-5> } WHERE { ?x a pm:Step }
