# record: closing
# breaks: reused
INSERT { ?x pm:reused <urn:uuid:unknown> } WHERE { ?x a pm:RunClosing }
