"""One file per HTTP filter; each defines FILTER with its Slot in the chain."""
