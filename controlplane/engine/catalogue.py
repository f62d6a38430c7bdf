"""What this build can read and serve, discovered from the modules that exist: adding a kind edits no list."""

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import overload

import msgspec

from mirrorplane.api.meta import Kind
from mirrorplane.api.resource import PUSH_ORDER
from mirrorplane.translators import inputs
from mirrorplane.translators.contract import Input, Output, discover


class Catalogue(msgspec.Struct, frozen=True):
    """All inputs, and all outputs in push order."""

    inputs: tuple[Input, ...]
    outputs: Sequence[Output]

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
    return Catalogue(tuple(discover(inputs, "INPUT", Input).values()), _Outputs())


class _Outputs(Sequence[Output]):
    """All outputs, imported when they are first used: `mirrorplane check` builds no resources and needs none.

    Half of its start-up time went into Envoy's message classes, which only outputs import.
    """

    @cached_property
    def _outputs(self) -> tuple[Output, ...]:
        from mirrorplane.translators import outputs

        return tuple(sorted(discover(outputs, "OUTPUT", Output).values(), key=lambda o: PUSH_ORDER.index(o.type_url)))

    @overload
    def __getitem__(self, index: int) -> Output: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Output]: ...
    def __getitem__(self, index: int | slice) -> Output | Sequence[Output]:
        return self._outputs[index]

    def __len__(self) -> int:
        return len(self._outputs)
