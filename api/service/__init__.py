"""The HTTP service: REST, the SPARQL endpoint, jobs and web pages over one registry."""
