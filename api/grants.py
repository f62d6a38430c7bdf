"""Permission to refer to objects of another namespace, given by that namespace."""

import msgspec

from mirrorplane.api.meta import Ref


class Grant(msgspec.Struct, frozen=True):
    """Objects of some kinds and namespaces may refer to objects here.

    `referrers` are pairs of Kind.key and namespace, `targets` of Kind.key and name; "" is every name.
    """

    namespace: str
    referrers: frozenset[tuple[str, str]]
    targets: frozenset[tuple[str, str]]

    def permits(self, referrer: Ref, target: Ref) -> bool:
        """Tell whether an object may refer to another."""
        if target.namespace != self.namespace or (referrer.kind, referrer.namespace) not in self.referrers:
            return False
        return bool(self.targets & {(target.kind, ""), (target.kind, target.name)})
