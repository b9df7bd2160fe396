# record: check
# breaks: usageEntity usagesAgree
DELETE { ?u prov:entity ?e } WHERE { ?u a prov:Usage ; prov:entity ?e }
