# record: check
# breaks: usageEntity
INSERT { ?x prov:used <known:base> . ?u prov:entity <known:base> } WHERE { ?x a pm:Check ; prov:qualifiedUsage ?u }
