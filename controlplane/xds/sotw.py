"""State of the world: every request lists the whole subscription, and one version covers all of a type.

A CDS or LDS response holds everything; of the other types a response holds what is pending, and Envoy keeps the rest
(xDS protocol, "SotW: grouping resources into responses").
"""

from collections.abc import Iterator

from mirrorplane.api.resource import Resource, ResourceType
from mirrorplane.controlplane.xds.delivery import InFlight
from mirrorplane.controlplane.xds.frames import name_only, sotw_response
from mirrorplane.controlplane.xds.requests import WILDCARD, Outcome, SotwRequest
from mirrorplane.controlplane.xds.served_resources import USERS
from mirrorplane.controlplane.xds.session import Session
from mirrorplane.controlplane.xds.subscribed_names import SubscribedNames
from mirrorplane.controlplane.xds.subscription import Subscription

_ABSENT = "absent"


class SotwSession(Session[SotwRequest]):
    """The SotW protocol state of one stream."""

    def receive(self, request: SotwRequest) -> Outcome | None:
        """Handle a request: an ACK or NACK of the last response, a new subscription, or both."""
        sub, is_first = self._find_subscription(request.type_url, sotw=True)
        outcome = self._settle(sub, request.nonce, request.error)
        if is_first:
            self._begin(sub, request)
            return self._begin_type(sub, resumed=bool(request.version)) or outcome
        if request.nonce != sub.nonce:
            return outcome  # stale: a newer response is in flight, and its ACK will list the newest names
        if not self._resubscribe(sub, request) and outcome is None:
            self._repeat(sub)  # same names, same nonce, and answered before: Envoy asks again, it does not ACK
        return self._without_unsubscribed(sub, outcome)

    def _begin(self, sub: Subscription, request: SotwRequest) -> None:
        """Start a type. A reconnecting proxy with the version we would send now is sent nothing.

        Unless this stream has sent users of the type before: then the proxy may have dropped the type meanwhile, and
        Envoy repeats the version of what it dropped long ago.
        """
        delivery, quarantine = sub.delivery, sub.quarantine
        sub.names.wildcard = not request.names and sub.full_state
        for name in self._paced(self._covered_names(sub)):
            self._subscribe(sub, name)
        self._resubscribe(sub, request)
        # Envoy's start waits for CDS and LDS, so even an empty response has to be sent.
        delivery.unanswered = sub.full_state
        may_be_dropped = any(self._was_sent(user) for user in USERS.get(sub.type_url, ()))
        current = request.version == delivery.version() and not may_be_dropped
        quarantine.last_good_known = current or not (sub.full_state and request.version)
        if current:
            delivery.pending.clear()
            quarantine.last_good.clear()
            delivery.unanswered = False

    def _was_sent(self, type_url: str) -> bool:
        sub = self._subscriptions.get(type_url)
        return sub is not None and sub.delivery.last is not None

    def _resubscribe(self, sub: Subscription, request: SotwRequest) -> bool:
        """Subscribe to the names of a request; return whether they differ from those of the last one."""
        names = SubscribedNames(request.names)
        # An empty list still means "everything" if the first one did (xDS protocol, legacy wildcard subscription).
        is_legacy_wildcard = not names and not sub.names and sub.names.wildcard
        names.wildcard = WILDCARD in names or is_legacy_wildcard
        if names == sub.names:
            return False
        self._check_names(sub, len(names))
        before = self._covered_names(sub)
        sub.names = names
        after = self._covered_names(sub)
        for name in self._paced(after - before):
            self._subscribe(sub, name)
        for name in self._paced(before - after):
            sub.remove_name(name, self._target_version(sub, name))
        # A version covers what is subscribed to: a proxy that has one and subscribes to less needs a new version, and
        # nothing else. One that names no endpoints or routes any more has dropped the type: Envoy would not even ACK.
        fewer = bool(request.version and before - after)
        sub.delivery.unanswered = (sub.delivery.unanswered or fewer) and (sub.full_state or bool(after))
        return True

    def _covered_names(self, sub: Subscription) -> set[str]:
        all_names = self._served.names(sub.type_url) if sub.names.wildcard else set()
        return all_names | {*sub.names} - {WILDCARD}

    def _subscribe(self, sub: Subscription, name: str) -> None:
        """Start to deliver a name. One that does not exist is not pending until it does."""
        version = self._target_version(sub, name)
        sub.add_name(name, version)
        if sub.full_state:
            sub.quarantine.last_good[name] = None  # the proxy has accepted nothing under this name yet
        if version:
            sub.delivery.record_held(name, None, version)

    def _repeat(self, sub: Subscription) -> None:
        """Answer again: a second ACK of the same response means that a cluster is warming and waits for endpoints."""
        for name in () if sub.full_state else self._paced(self._covered_names(sub)):
            if self._target_version(sub, name):
                sub.delivery.record_held(name, None, "")

    def _absent_version(self, row: ResourceType) -> str:
        return _ABSENT if row.stub else ""

    def _frame(self, sub: Subscription, flight: InFlight) -> bytes:
        if sub.full_state:
            resources = self._full_state(sub, flight.names)
        else:
            resources = (self._find(sub.type, name) for name in flight.names)
        return sotw_response(sub.type_url, flight.version, flight.nonce, filter(None, resources))

    def _full_state(self, sub: Subscription, names: tuple[str, ...]) -> Iterator[Resource | None]:
        """Yield everything that is subscribed to; of rejected names that are not in `names`, what the proxy holds."""
        withheld = sub.withheld(names)
        if sub.names.wildcard:
            yield from (resource for resource in self._served.resources(sub.type_url) if resource.name not in withheld)
        else:
            yield from (self._served.get(sub.type_url, name) for name in sorted(self._covered_names(sub) - withheld))
        yield from (sub.quarantine.last_good.get(name) for name in sorted(withheld))

    def _find(self, row: ResourceType, name: str) -> Resource | None:
        """Find a resource; a missing one of a type with stubs is sent with its name alone."""
        resource = self._served.get(row.url, name)
        # Envoy 1.40: its start waits for endpoints that are missing, listeners included; SotW cannot say "removed".
        if resource is None and row.stub:
            return Resource(row.url, name, _ABSENT, (name_only(name),))
        return resource
