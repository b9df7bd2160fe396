# record: prune
# breaks: rolesFitTheEntity
DELETE { ?x prov:hadRole ?v } INSERT { ?x prov:hadRole pm:calibrationRole } WHERE { ?x a prov:Usage ; prov:hadRole ?v }
