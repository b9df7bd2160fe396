# record: prune
# breaks: closedSubjects
INSERT DATA { <known:old-step> prov:used <known:base> ; a pm:Step }
