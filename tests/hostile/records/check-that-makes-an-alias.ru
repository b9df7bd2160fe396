# record: promotion
# breaks: checkMakes
DELETE { ?x a pm:Promotion } INSERT { ?x a pm:Check } WHERE { ?x a pm:Promotion }
