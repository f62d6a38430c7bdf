"""Typed answers to questions about the running control plane: shared by the admin API and the CLI."""
