# record: registration
# breaks: derivationsAreComplete
DELETE { ?d prov:hadUsage ?u } INSERT { ?d prov:hadUsage ?w } WHERE { ?d a prov:Derivation ; prov:hadUsage ?u . ?w a prov:Usage FILTER(?u != ?w) }
