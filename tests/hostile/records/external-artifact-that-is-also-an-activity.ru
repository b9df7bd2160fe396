# record: registration
# breaks: externalTypes parentsAreArtifacts
INSERT { ?x a prov:Activity } WHERE { ?x a pm:ExternalArtifact }
