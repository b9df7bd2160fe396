# record: reporting
# breaks: format
DELETE { ?x dcterms:format ?v } INSERT { ?x dcterms:format "text/html; charset=utf-8" } WHERE { ?x a pm:AuditReport ; dcterms:format ?v }
