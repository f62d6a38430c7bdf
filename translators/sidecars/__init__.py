"""What a sidecar listens on, outbound and inbound."""
