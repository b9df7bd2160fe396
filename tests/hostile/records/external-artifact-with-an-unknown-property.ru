# record: registration
# breaks: ExternalArtifact
INSERT { ?x rdfs:comment "a remark" } WHERE { ?x a pm:ExternalArtifact }
