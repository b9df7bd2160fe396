# record: prune
# breaks: exportAMXMakes
DELETE { ?x a pm:Prune } INSERT { ?x a pm:ExportAMX } WHERE { ?x a pm:Prune }
