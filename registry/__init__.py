"""What is known and kept: records, graph, blobs, journal, lineage and verification."""
