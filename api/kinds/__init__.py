"""Manifest types, one file per API group."""
