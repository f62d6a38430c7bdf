"""Policies of other control planes that are not enforced here: a row a kind, by product. See decision 0126."""
