# record: check
# breaks: usageRole
INSERT { ?x prov:hadRole pm:baseRole } WHERE { ?x a prov:Usage }
