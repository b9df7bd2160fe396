# record: prune
# breaks: correspondsToStep stepFollowsItsRun
DELETE { ?x pplan:correspondsToStep ?v } INSERT { ?x pplan:correspondsToStep <ni:///sha-256;unknown#step-0> } WHERE { ?x a pm:Step ; pplan:correspondsToStep ?v }
