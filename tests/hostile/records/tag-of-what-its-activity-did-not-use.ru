# record: tagging
# breaks: assignsWhatWasUsed
DELETE { ?x pm:assigns ?v } INSERT { ?x pm:assigns <known:other> } WHERE { ?x a pm:TagAssignment ; pm:assigns ?v }
