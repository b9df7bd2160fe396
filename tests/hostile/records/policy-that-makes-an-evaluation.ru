# record: evaluation
# breaks: applyKVPolicyMakes
DELETE { ?x a pm:Evaluate } INSERT { ?x a pm:ApplyKVPolicy } WHERE { ?x a pm:Evaluate }
