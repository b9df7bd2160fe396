# record: check
# breaks: verdict
INSERT { ?x pm:verdict pm:refuted } WHERE { ?x a pm:Evidence }
