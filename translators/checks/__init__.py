"""One file per family of advice; each defines CHECK: what an object says -> Findings."""
