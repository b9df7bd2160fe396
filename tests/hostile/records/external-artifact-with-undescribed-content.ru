# record: registration
# breaks: externalContent
INSERT { ?x pm:hasContent <ni:///sha-256;unknown> } WHERE { ?x a pm:ExternalArtifact }
