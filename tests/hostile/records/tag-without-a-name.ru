# record: tagging
# breaks: tag
DELETE { ?x pm:tag ?v } WHERE { ?x a pm:TagAssignment ; pm:tag ?v }
