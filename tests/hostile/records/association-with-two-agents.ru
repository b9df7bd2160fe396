# record: check
# breaks: agent
INSERT { ?a prov:agent ?p } WHERE { ?a prov:hadRole pm:engineRole . ?p a prov:Person }
