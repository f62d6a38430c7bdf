"""Istio's conventions: lowering and validation of the fragments that several of its kinds share."""
