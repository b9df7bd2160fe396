# record: check
# breaks: detail
INSERT { ?x pm:detail "another" } WHERE { ?x a pm:Evidence }
