"""Webhooks: others are told of what was recorded, by signed requests (Standard Webhooks 1.0.0)."""
