# record: policy
# breaks: KVCachePolicy
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:KVCachePolicy }
