"""Which Secrets and CA bundles a proxy may be sent: its own namespace's, and others' by ReferenceGrant."""
