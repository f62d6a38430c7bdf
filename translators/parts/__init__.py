"""Fragments of Envoy configuration that outputs share."""
