# record: prune
# breaks: cpuSeconds
DELETE { ?x pm:cpuSeconds ?v } INSERT { ?x pm:cpuSeconds "-1.0"^^xsd:double } WHERE { ?x a pm:Step ; pm:cpuSeconds ?v }
