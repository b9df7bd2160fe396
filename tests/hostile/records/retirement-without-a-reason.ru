# record: retirement
# breaks: reason
DELETE { ?x pm:reason ?v } WHERE { ?x a pm:Retirement ; pm:reason ?v }
