# record: reporting
# breaks: reportTypes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:AuditReport }
