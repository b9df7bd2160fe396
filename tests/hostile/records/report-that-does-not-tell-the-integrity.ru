# record: reporting
# breaks: integrity
DELETE { ?x pm:integrity ?v } WHERE { ?x a pm:AuditReport ; pm:integrity ?v }
