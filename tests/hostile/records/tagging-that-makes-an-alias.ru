# record: promotion
# breaks: taggingMakes
DELETE { ?x a pm:Promotion } INSERT { ?x a pm:Tagging } WHERE { ?x a pm:Promotion }
