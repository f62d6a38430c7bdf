"""Checks: one file a family, each defines CHECK, from nouns to findings, whatever API they were written in."""
