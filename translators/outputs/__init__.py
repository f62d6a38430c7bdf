"""One file per xDS type; each defines OUTPUT: Scope -> Resource."""
