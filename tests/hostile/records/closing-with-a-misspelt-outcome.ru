# record: closing
# breaks: outcome
DELETE { ?x pm:outcome ?v } INSERT { ?x pm:outcome pm:suceeded } WHERE { ?x a pm:RunClosing ; pm:outcome ?v }
