"""Nouns: what everything is. Frozen values only; no I/O, no clock, no Envoy."""
