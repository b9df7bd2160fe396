# record: prune
# breaks: cpuSeconds
INSERT { ?x pm:cpuSeconds "9.0"^^xsd:double } WHERE { ?x a pm:Step }
