"""The folder source: manifests from files, watched, each edit applied completely or not at all."""
