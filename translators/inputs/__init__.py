"""One file per input API; each defines INPUT: Object -> mesh nouns."""
