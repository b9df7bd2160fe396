# record: retirement
# breaks: Retirement
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:Retirement }
