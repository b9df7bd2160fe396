# record: prune
# breaks: agentTypes
INSERT { ?x a prov:Organization } WHERE { ?x a prov:Person }
