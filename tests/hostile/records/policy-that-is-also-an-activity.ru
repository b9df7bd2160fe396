# record: policy
# breaks: policyTypes applyKVPolicyMakes
INSERT { ?x a prov:Activity } WHERE { ?x a pm:KVCachePolicy }
