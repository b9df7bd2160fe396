# record: reporting
# breaks: reportsOn
DELETE { ?x pm:reportsOn ?v } WHERE { ?x a pm:AuditReport ; pm:reportsOn ?v }
