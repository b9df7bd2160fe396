"""How people reach Pressmark: the command line, SPARQL and HTTP."""
