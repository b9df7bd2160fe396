# record: check
# breaks: plan
INSERT { ?x prov:hadPlan <known:base> } WHERE { ?x a prov:Association }
