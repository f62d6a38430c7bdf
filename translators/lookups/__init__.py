"""Lookups: the joins across objects that translators read through a View, memoised. One file a question."""
