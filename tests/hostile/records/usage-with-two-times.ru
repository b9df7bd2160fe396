# record: check
# breaks: usageTime
INSERT { ?x prov:atTime ?s } WHERE { ?x a prov:Usage ; ^prov:qualifiedUsage ?c . ?c prov:endedAtTime ?s}
