# record: closing
# breaks: closedAt
DELETE { ?x pm:closedAtTime ?v } WHERE { ?x a pm:RunClosing ; pm:closedAtTime ?v }
