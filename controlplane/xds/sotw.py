"""State of the world: every request names all that is subscribed, and one version stands for all of a type.

A CDS or LDS response holds everything; of the other types a response holds what is owed, and Envoy keeps the rest
(xDS protocol, "SotW: grouping resources into responses").
"""

from collections.abc import Iterator

from mirrorplane.api.resource import Resource, resource_type
from mirrorplane.controlplane.xds.frames import name_only, sotw_response
from mirrorplane.controlplane.xds.names import Names
from mirrorplane.controlplane.xds.requests import WILDCARD, Outcome, SotwRequest
from mirrorplane.controlplane.xds.served_resources import USERS
from mirrorplane.controlplane.xds.session import Session
from mirrorplane.controlplane.xds.subscription import InFlight, Subscription

_ABSENT = "absent"


class SotwSession(Session[SotwRequest]):
    """The SotW protocol state of one stream."""

    def receive(self, request: SotwRequest) -> Outcome | None:
        """Take a request: an ACK or NACK of the last response, a new subscription, or both."""
        sub, first = self._subscription(request.type_url, whole=resource_type(request.type_url).full_state)
        outcome = self._reply(sub, request.nonce, request.error)
        if first:
            self._begin(sub, request)
            return self._first(sub, resumed=bool(request.version)) or outcome
        if request.nonce != sub.nonce:
            return outcome  # Stale: a newer response is on its way, and its ACK will name all that is wanted then.
        if not self._resubscribe(sub, request) and outcome is None:
            self._repeat(sub)
        return self._said(sub, outcome)

    def _begin(self, sub: Subscription, request: SotwRequest) -> None:
        """Start a type. A proxy that comes back with the version we would send now is owed nothing.

        Unless this stream has sent it users of the type before: then it may have left the type meanwhile, and Envoy
        repeats the version of what it has long dropped.
        """
        sub.wildcard = not request.names and sub.whole
        for name in self._covered(sub):
            self._add(sub, name)
        self._resubscribe(sub, request)
        sub.unanswered = sub.whole
        left = any(self._sent(user) for user in USERS.get(sub.type_url, ()))
        current = request.version == sub.version() and not left
        sub.known = current or not (sub.whole and request.version)
        if current:
            sub.owed.clear()
            sub.good.clear()
            sub.unanswered = False

    def _sent(self, type_url: str) -> bool:
        sub = self._subscriptions.get(type_url)
        return sub is not None and sub.last is not None

    def _resubscribe(self, sub: Subscription, request: SotwRequest) -> bool:
        """Take the names of a request; return whether they differ from those of the last one."""
        asked = Names(request.names)
        implied = not asked and not sub.names and sub.wildcard  # An empty list goes on meaning what it meant at first.
        wildcard = WILDCARD in asked or implied
        if asked == sub.names and wildcard == sub.wildcard:
            return False
        before = self._covered(sub)
        sub.names, sub.wildcard = asked, wildcard
        after = self._covered(sub)
        for name in after - before:
            self._add(sub, name)
        for name in before - after:
            sub.uncover(name, self._wanted(sub, name))
        # A version covers what is asked for: who has one and asks for less needs a new one, and nothing else. Who asks
        # for no endpoints or routes any more has dropped the type: Envoy would not even ACK an answer.
        less = bool(request.version and before - after)
        sub.unanswered = (sub.unanswered or less) and (sub.whole or bool(after))
        return True

    def _covered(self, sub: Subscription) -> set[str]:
        return (self._shelf.names(sub.type_url) if sub.wildcard else set()) | {*sub.names} - {WILDCARD}

    def _add(self, sub: Subscription, name: str) -> None:
        """Owe a name that is asked for from now on. One that does not exist is owed nothing until it does."""
        wanted = self._wanted(sub, name)
        sub.cover(name, wanted)
        if sub.whole:
            sub.good[name] = None
        if wanted:
            sub.owe(name, None, wanted)

    def _repeat(self, sub: Subscription) -> None:
        """Answer again: a second ACK of the same response means that a cluster is warming and waits for endpoints."""
        for name in () if sub.whole else self._covered(sub):
            if self._wanted(sub, name):
                sub.owe(name, None, "")

    def _nothing(self, type_url: str) -> str:
        return _ABSENT if resource_type(type_url).stub else ""

    def _frame(self, sub: Subscription, flight: InFlight) -> bytes:
        found = self._all(sub, flight.names) if sub.whole else (self._find(sub.type_url, n) for n in flight.names)
        return sotw_response(sub.type_url, flight.version, flight.nonce, filter(None, found))

    def _all(self, sub: Subscription, names: tuple[str, ...]) -> Iterator[Resource | None]:
        """Find everything that is asked for; of what is rejected and not among the names, what the proxy holds."""
        withheld = sub.withheld(names)
        if sub.wildcard:
            yield from (one for one in self._shelf.all(sub.type_url) if one.name not in withheld)
        else:
            yield from (self._shelf.get(sub.type_url, name) for name in sorted(self._covered(sub) - withheld))
        yield from (sub.good.get(name) for name in sorted(withheld))

    def _find(self, type_url: str, name: str) -> Resource | None:
        """Find a resource; a missing one of a type with stubs is sent with its name alone."""
        found = self._shelf.get(type_url, name)
        if found is None and resource_type(type_url).stub:
            return Resource(type_url, name, _ABSENT, (name_only(name),))
        return found
