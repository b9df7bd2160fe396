# record: promotion
# breaks: reproduceMakes
DELETE { ?x a pm:Promotion } INSERT { ?x a pm:Reproduce } WHERE { ?x a pm:Promotion }
