"""What routers take in: at which doors, for which hosts, by which rules; how they call what is behind."""
