# record: reporting
# breaks: format
DELETE { ?x dcterms:format ?v } WHERE { ?x a pm:AuditReport ; dcterms:format ?v }
