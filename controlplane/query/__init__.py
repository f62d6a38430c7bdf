"""Typed answers to questions about a control plane, shared by the admin API, the CLI and whatever else shows them.

An answer is a msgspec Struct; its JSON is the admin API's. The functions that make answers are pure; `queries.py` asks
a running control plane.
"""
