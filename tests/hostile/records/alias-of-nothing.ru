# record: promotion
# breaks: assigns
DELETE { ?x pm:assigns ?v } WHERE { ?x a pm:AliasAssignment ; pm:assigns ?v }
