# record: closing
# breaks: closes
INSERT { ?x pm:closes <known:other-run> } WHERE { ?x a pm:RunClosing }
