"""A registry behind a server: what `pressmark --server URL` asks, and how."""
