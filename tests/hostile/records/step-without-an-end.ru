# record: failed-step
# breaks: ended
DELETE { ?x prov:endedAtTime ?v } WHERE { ?x a pm:Step ; prov:endedAtTime ?v }
