# record: prune
# breaks: outcomeFits
INSERT { ?x pm:errorMessage "no" } WHERE { ?x a pm:Step }
