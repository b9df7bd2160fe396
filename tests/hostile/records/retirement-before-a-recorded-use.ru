# record: retirement
# breaks: retiresAfterItsUses
DELETE { ?x prov:startedAtTime ?s ; prov:endedAtTime ?e ; prov:invalidated ?v } INSERT { ?x prov:startedAtTime "<time:base-made>"^^xsd:dateTime ; prov:endedAtTime "<time:base-made>"^^xsd:dateTime ; prov:invalidated <known:base> } WHERE { ?x a pm:Retirement ; prov:startedAtTime ?s ; prov:endedAtTime ?e ; prov:invalidated ?v }
