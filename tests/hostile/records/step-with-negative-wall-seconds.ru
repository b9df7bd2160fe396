# record: prune
# breaks: wallSeconds
DELETE { ?x pm:wallSeconds ?v } INSERT { ?x pm:wallSeconds "-1.0"^^xsd:double } WHERE { ?x a pm:Step ; pm:wallSeconds ?v }
