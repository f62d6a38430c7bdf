"""The folder source: manifests from files, watched, each edit taken whole or not at all."""
