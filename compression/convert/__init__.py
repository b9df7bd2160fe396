"""Conversions between model file formats."""
