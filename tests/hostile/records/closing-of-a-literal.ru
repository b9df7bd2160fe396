# record: closing
# breaks: linksToANode
DELETE { ?x pm:closes ?v } INSERT { ?x pm:closes "" } WHERE { ?x a pm:RunClosing ; pm:closes ?v }
