# record: tagging
# breaks: promotionMakes
DELETE { ?x a pm:Tagging } INSERT { ?x a pm:Promotion } WHERE { ?x a pm:Tagging }
