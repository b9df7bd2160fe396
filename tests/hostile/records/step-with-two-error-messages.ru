# record: failed-step
# breaks: errorMessage
INSERT { ?x pm:errorMessage "another" } WHERE { ?x a pm:Step }
