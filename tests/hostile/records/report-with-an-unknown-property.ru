# record: reporting
# breaks: AuditReport
INSERT { ?x pm:detail "more" } WHERE { ?x a pm:AuditReport }
