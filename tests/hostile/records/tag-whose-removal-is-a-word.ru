# record: tagging
# breaks: tagRemoved
DELETE { ?x pm:tagRemoved ?v } INSERT { ?x pm:tagRemoved "no" } WHERE { ?x a pm:TagAssignment ; pm:tagRemoved ?v }
