# record: promotion
# breaks: alias
DELETE { ?x pm:alias ?v } INSERT { ?x pm:alias "prod\n" } WHERE { ?x a pm:AliasAssignment ; pm:alias ?v }
