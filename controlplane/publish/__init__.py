"""From a Snapshot to the ResourceSet of every scope in use."""
