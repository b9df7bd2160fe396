# record: prune
# breaks: sha256
DELETE { ?f pm:sha256 ?n } INSERT { ?f pm:sha256 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" } WHERE { ?f a pm:File ; pm:sha256 ?n }
