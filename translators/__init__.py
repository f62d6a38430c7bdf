"""Verbs: what every noun means for Envoy. Pure functions that read through a View."""
