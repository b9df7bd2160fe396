# record: check
# breaks: usagesAgree
INSERT { ?x prov:qualifiedUsage ?u . ?u a prov:Usage ; prov:entity <known:base> ; prov:hadRole pm:subjectRole ; prov:atTime ?t } WHERE { ?x a pm:Check ; prov:startedAtTime ?t . BIND(IRI(CONCAT(STR(?x), "#usage-9")) AS ?u) }
