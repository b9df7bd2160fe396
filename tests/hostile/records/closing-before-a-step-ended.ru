# record: closing
# breaks: closesAfterItsSteps
DELETE { ?x pm:closedAtTime ?t } INSERT { ?x pm:closedAtTime "<time:run-opened>"^^xsd:dateTime } WHERE { ?x a pm:RunClosing ; pm:closedAtTime ?t }
