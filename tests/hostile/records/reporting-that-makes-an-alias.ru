# record: promotion
# breaks: reportingMakes
DELETE { ?x a pm:Promotion } INSERT { ?x a pm:Reporting } WHERE { ?x a pm:Promotion }
