# record: registration
# breaks: generatedBy generationAgrees derivationsAreComplete
DELETE { ?x prov:wasGeneratedBy ?v } WHERE { ?x a pm:QuantizedModel ; prov:wasGeneratedBy ?v }
