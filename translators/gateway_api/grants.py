"""ReferenceGrants, as the inputs of Gateway API ask for them."""

from translators.grants import permitted

__all__ = ("permitted",)
