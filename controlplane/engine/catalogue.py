"""What this build can read and serve, discovered from the modules that exist: adding a kind edits no list."""

from collections.abc import Mapping
from functools import cache

import msgspec

from mirrorplane.api.meta import Kind
from mirrorplane.api.resource import PUSH_ORDER
from mirrorplane.translators import inputs, outputs
from mirrorplane.translators.contract import Input, Output, discover


class Catalogue(msgspec.Struct, frozen=True):
    """All inputs, and all outputs in push order."""

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Every kind that an input reads."""
        return tuple(kind for i in self.inputs for kind in i.kinds)

    @property
    def by_kind(self) -> Mapping[str, Input]:
        """The input of each kind, by Kind.key."""
        return {kind.key: i for i in self.inputs for kind in i.kinds}


@cache
def catalogue() -> Catalogue:
    """Return the catalogue. Raises TypeError when a module does not define its contract."""
    ordered = sorted(discover(outputs, "OUTPUT", Output).values(), key=lambda o: PUSH_ORDER.index(o.type_url))
    return Catalogue(tuple(discover(inputs, "INPUT", Input).values()), tuple(ordered))
