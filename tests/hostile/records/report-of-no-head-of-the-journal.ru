# record: reporting
# breaks: journalHead
DELETE { ?x pm:journalHead ?v } INSERT { ?x pm:journalHead "head" } WHERE { ?x a pm:AuditReport ; pm:journalHead ?v }
