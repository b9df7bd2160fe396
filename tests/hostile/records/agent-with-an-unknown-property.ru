# record: prune
# breaks: Agent
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a prov:Person }
