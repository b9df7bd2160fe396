# record: reporting
# breaks: reportsOnWhatWasUsed
DELETE { ?x pm:reportsOn ?v } INSERT { ?x pm:reportsOn <known:other> } WHERE { ?x a pm:AuditReport ; pm:reportsOn ?v }
