# record: retirement
# breaks: retiresOnce
DELETE { ?x prov:invalidated ?v } INSERT { ?x prov:invalidated <known:retired> } WHERE { ?x a pm:Retirement ; prov:invalidated ?v }
