"""What this build can read and serve, discovered from the files that are there."""

from collections.abc import Mapping
from functools import cache

import msgspec

import translators.inputs
import translators.outputs
from api.meta import Kind
from api.resource import PUSH_ORDER
from translators.contract import Input, Output, discover


class Catalogue(msgspec.Struct, frozen=True):
    """All inputs, and all outputs in push order."""

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Every kind that some input reads."""
        return tuple(kind for i in self.inputs for kind in i.kinds)

    @property
    def by_kind(self) -> Mapping[str, Input]:
        """The input of each kind, by Kind.key."""
        return {kind.key: i for i in self.inputs for kind in i.kinds}


@cache
def catalogue() -> Catalogue:
    """Return the catalogue. Raises TypeError when a file does not fill in its contract."""
    inputs = discover(translators.inputs, "INPUT", Input).values()
    outputs = discover(translators.outputs, "OUTPUT", Output).values()
    return Catalogue(tuple(inputs), tuple(sorted(outputs, key=lambda o: PUSH_ORDER.index(o.type_url))))
