# record: import
# breaks: importMakes
DELETE { ?x a pm:BaseModel } INSERT { ?x a pm:PrunedModel } WHERE { ?x a pm:BaseModel }
