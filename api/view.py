"""The only way in which translators read objects; the Engine records every read."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import AnyObject, Ref

P = ParamSpec("P")
R = TypeVar("R")


class View(Protocol):
    """Reads of one Snapshot. Answers are values: keep them, compare them, never change them."""

    def get(self, ref: Ref) -> AnyObject | None:
        """Return the object of this Ref, or None."""
        ...

    def by(self, index: str, key: str) -> tuple[AnyObject, ...]:
        """Return the objects that an input's index files under `key`, sorted by Ref."""
        ...

    def lowered(self, ref: Ref) -> Lowered:
        """Return the nouns that the object of this Ref lowers to; empty when there is none."""
        ...

    def memo(self, fn: "Callable[Concatenate[View, P], R]", *args: P.args, **kwargs: P.kwargs) -> R:
        """Return fn(view, *args), remembered until something it read would answer differently.

        `args` must be hashable; an equal result keeps the identity of the old one. Raises RecursionError on a cycle.
        """
        ...
