"""Measured quality of artifacts."""
