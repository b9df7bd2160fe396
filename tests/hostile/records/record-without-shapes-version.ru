# record: import
# breaks: shapesVersion
DELETE { ?x pm:shapesVersion ?v } WHERE { ?x a pm:Record ; pm:shapesVersion ?v }
