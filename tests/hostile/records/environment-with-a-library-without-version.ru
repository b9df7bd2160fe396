# record: prune
# breaks: libraryVersion
INSERT { ?x pm:libraryVersion "torch" } WHERE { ?x a pm:Environment }
