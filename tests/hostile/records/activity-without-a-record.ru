# record: check
# breaks: recorded
DELETE { ?x pm:records ?v } INSERT { ?x pm:records ?e } WHERE { ?x pm:records ?v . ?e a pm:Evidence }
