# record: registration
# breaks: derivationsAgree
DELETE { ?x prov:wasDerivedFrom ?p } WHERE { ?x prov:wasDerivedFrom ?p . ?p a pm:ExternalArtifact }
