# record: import
# breaks: sourceRevision
INSERT { ?x pm:sourceRevision "another" } WHERE { ?x a pm:BaseModel }
