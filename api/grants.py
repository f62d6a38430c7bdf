"""Leave to name objects of another namespace, which that namespace gives."""

import msgspec

from mirrorplane.api.meta import Ref


class Grant(msgspec.Struct, frozen=True):
    """Objects of some kinds and namespaces may name objects here. `kind` is a Kind.key; a name of "" stands for all."""

    namespace: str
    askers: frozenset[tuple[str, str]]
    named: frozenset[tuple[str, str]]

    def permits(self, asker: Ref, to: Ref) -> bool:
        """Tell whether an object may name another."""
        if to.namespace != self.namespace or (asker.kind, asker.namespace) not in self.askers:
            return False
        return bool(self.named & {(to.kind, ""), (to.kind, to.name)})
