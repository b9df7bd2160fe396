# record: check
# breaks: usesWhatIsNotRetired
INSERT { ?x prov:used <known:retired> ; prov:qualifiedUsage ?u . ?u a prov:Usage ; prov:entity <known:retired> ; prov:hadRole pm:subjectRole ; prov:atTime ?t } WHERE { ?x a pm:Check ; prov:startedAtTime ?t . BIND(IRI(CONCAT(STR(?x), "#usage-9")) AS ?u) }
