# record: tagging
# breaks: tagRemoved
DELETE { ?x pm:tagRemoved ?v } WHERE { ?x a pm:TagAssignment ; pm:tagRemoved ?v }
