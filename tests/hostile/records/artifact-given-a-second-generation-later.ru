# record: prune
# breaks: closedSubjects
INSERT { <known:base> prov:wasGeneratedBy ?s ; a pm:BaseModel } WHERE { ?s a pm:Prune }
