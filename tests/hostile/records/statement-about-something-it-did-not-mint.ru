# record: prune
# breaks: mintsItsSubjects
INSERT DATA { <https://example.org/model> a pm:Model, prov:Entity ; rdfs:label "x" }
