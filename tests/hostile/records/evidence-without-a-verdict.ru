# record: check
# breaks: verdict
DELETE { ?x pm:verdict ?v } WHERE { ?x a pm:Evidence ; pm:verdict ?v }
