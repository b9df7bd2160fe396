# record: closing
# breaks: closesOnce
DELETE { ?x pm:closes ?v } INSERT { ?x pm:closes <known:closed-run> } WHERE { ?x a pm:RunClosing ; pm:closes ?v }
