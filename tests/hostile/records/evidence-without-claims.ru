# record: check
# breaks: claim
DELETE { ?x pm:claim ?v } WHERE { ?x a pm:Evidence ; pm:claim ?v }
