# record: prune
# breaks: agentId
DELETE { ?x pm:agentId ?v } WHERE { ?x a prov:Person ; pm:agentId ?v }
