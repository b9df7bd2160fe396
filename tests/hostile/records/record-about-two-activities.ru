# record: import
# breaks: records
INSERT { ?x pm:records ?c } WHERE { ?x a pm:Record . ?c a pm:BaseModel }
