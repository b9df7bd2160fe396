# record: prune
# breaks: staysWithItsOwner
INSERT DATA { <urn:uuid:unstated#line> a pm:Model, prov:Entity ; rdfs:label "x" }
