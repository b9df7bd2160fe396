# record: prune
# breaks: wallSeconds
INSERT { ?x pm:wallSeconds "9.0"^^xsd:double } WHERE { ?x a pm:Step }
