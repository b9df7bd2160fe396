# record: registration
# breaks: noDerivationCycle
DELETE { ?x prov:wasDerivedFrom ?p . ?d prov:entity ?p . ?s prov:used ?p . ?u prov:entity ?p ; prov:atTime ?t } INSERT { ?x prov:wasDerivedFrom ?x . ?d prov:entity ?x . ?s prov:used ?x . ?u prov:entity ?x ; prov:atTime ?end } WHERE { ?x a pm:QuantizedModel ; prov:wasDerivedFrom ?p ; prov:qualifiedDerivation ?d ; prov:wasGeneratedBy ?s . ?s prov:endedAtTime ?end . ?p a pm:ExternalArtifact . ?d prov:entity ?p ; prov:hadUsage ?u . ?u prov:atTime ?t }
