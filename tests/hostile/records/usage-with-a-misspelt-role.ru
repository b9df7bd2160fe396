# record: check
# breaks: usageRole rolesFitTheEntity
DELETE { ?x prov:hadRole ?v } INSERT { ?x prov:hadRole pm:subject } WHERE { ?x a prov:Usage ; prov:hadRole ?v }
