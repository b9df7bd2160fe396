"""The SPARQL 1.1 Protocol endpoint: untrusted queries, answered by killable workers."""
