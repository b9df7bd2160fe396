# record: prune
# breaks: file
DELETE { ?x pm:hasFile ?f . ?f ?p ?o } WHERE { ?s pm:byproduct ?x . ?x pm:hasFile ?f . ?f ?p ?o }
