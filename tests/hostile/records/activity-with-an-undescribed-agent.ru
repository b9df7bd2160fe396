# record: check
# breaks: associatedWith agent
DELETE { ?x prov:wasAssociatedWith ?v . ?a prov:agent ?v } INSERT { ?x prov:wasAssociatedWith <ni:///sha-256;unknown> . ?a prov:agent <ni:///sha-256;unknown> } WHERE { ?x prov:wasAssociatedWith ?v . ?a prov:agent ?v . ?v a prov:Person }
