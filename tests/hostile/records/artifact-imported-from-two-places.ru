# record: import
# breaks: importedFrom
INSERT { ?x pm:importedFrom "/another" } WHERE { ?x a pm:BaseModel }
