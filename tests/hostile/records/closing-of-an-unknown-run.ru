# record: closing
# breaks: closes
DELETE { ?x pm:closes ?v } INSERT { ?x pm:closes <urn:uuid:unknown> } WHERE { ?x a pm:RunClosing ; pm:closes ?v }
