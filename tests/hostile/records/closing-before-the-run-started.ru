# record: closing
# breaks: closesAfterTheStart
DELETE { ?x pm:closes ?r ; pm:closedAtTime ?t } INSERT { ?x pm:closes <known:other-run> ; pm:closedAtTime "2020-01-01T00:00:00Z"^^xsd:dateTime } WHERE { ?x a pm:RunClosing ; pm:closes ?r ; pm:closedAtTime ?t }
