# record: promotion
# breaks: alias
DELETE { ?x pm:alias ?v } WHERE { ?x a pm:AliasAssignment ; pm:alias ?v }
