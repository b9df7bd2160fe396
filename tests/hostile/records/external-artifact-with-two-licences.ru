# record: registration
# breaks: externalLicense
INSERT { ?x dcterms:license "MIT", "GPL-3.0" } WHERE { ?x a pm:ExternalArtifact }
