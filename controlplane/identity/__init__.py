"""Who connects: certificates and tokens, and the one place that decides what a caller may claim."""
