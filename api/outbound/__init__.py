"""Requests that the service makes itself, to addresses that others name."""
