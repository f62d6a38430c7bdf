"""Hands: the only place with I/O, clock and memory."""
