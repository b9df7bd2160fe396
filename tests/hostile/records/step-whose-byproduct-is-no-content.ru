# record: prune
# breaks: byproduct
INSERT { ?x pm:byproduct <known:base> } WHERE { ?x a pm:Step }
