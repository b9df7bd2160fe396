# record: check
# breaks: qualifiedGeneration generationAgrees generationTimeAgrees
DELETE { ?x prov:qualifiedGeneration ?g . ?g ?p ?o } WHERE { ?x a pm:Evidence ; prov:qualifiedGeneration ?g . ?g ?p ?o }
