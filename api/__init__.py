"""How people reach Pressmark: the command line."""
