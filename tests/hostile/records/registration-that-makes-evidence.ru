# record: check
# breaks: registrationMakes
DELETE { ?x a pm:Check } INSERT { ?x a pm:Registration } WHERE { ?x a pm:Check }
