# record: check
# breaks: tellsATime
DELETE { ?x prov:startedAtTime ?v } INSERT { ?x prov:startedAtTime "yesterday" } WHERE { ?x a pm:Check ; prov:startedAtTime ?v }
