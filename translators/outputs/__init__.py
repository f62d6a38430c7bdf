"""One file per sort of xDS resource; each defines OUTPUT: Scope -> Resource. See decision 0057."""
