# record: continued-run
# breaks: continues
DELETE { ?x pm:continues ?v } INSERT { ?x pm:continues <urn:uuid:unknown> } WHERE { ?x a pm:Run ; pm:continues ?v }
