# record: prune
# breaks: distributionDigest
DELETE { ?x pm:distributionDigest ?v } WHERE { ?x a pm:Engine ; pm:distributionDigest ?v }
