# record: retirement
# breaks: retiresAnArtifact
DELETE { ?x prov:invalidated ?v } INSERT { ?x prov:invalidated <known:recipe> } WHERE { ?x a pm:Retirement ; prov:invalidated ?v }
