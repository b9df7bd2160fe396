# record: check
# breaks: used usageEntity rolesFitTheEntity
INSERT { ?x prov:used <urn:uuid:unknown> ; prov:qualifiedUsage ?u . ?u a prov:Usage ; prov:entity <urn:uuid:unknown> ; prov:hadRole pm:subjectRole ; prov:atTime ?t } WHERE { ?x a pm:Check ; prov:startedAtTime ?t . BIND(IRI(CONCAT(STR(?x), '#usage-9')) AS ?u) }
