"""Structured and unstructured removal of weights."""
