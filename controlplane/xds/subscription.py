"""What a stream has asked of one type, and what the proxy is still owed of it.

Separate because both protocols keep the same books: a name is *owed* while the version the proxy holds differs from the
version it should hold, or is unknown. Everything else (what to send, when a type is quiet) follows from that.
"""

from collections.abc import Collection, Iterable, Mapping, Set
from itertools import islice

import msgspec

from mirrorplane.api.resource import Resource, resource_type
from mirrorplane.controlplane.xds.nack_bisect import NackBisect, blamed
from mirrorplane.controlplane.xds.names import Names
from mirrorplane.controlplane.xds.served_resources import Change
from mirrorplane.controlplane.xds.versions import shift, spelled, term

NONE: Set[str] = frozenset()
"""No names. Most streams never have trouble, and four empty sets for each of their types are 900 bytes."""


_MORE = term("there is", "more to come")


class InFlight(msgspec.Struct, frozen=True):
    """A response on its way: `names` are the resources it is to bring, `at` is when patience with it began."""

    nonce: str
    version: str
    names: tuple[str, ...]
    at: float


class Subscription:
    """One type on one stream. At most one response is in flight.

    `owed` maps a name to the version the proxy holds: "" is none, None is unknown and always answered.
    `unanswered` means that the proxy waits for a response even if nothing is owed.
    `rejected` are the names the proxy holds something else of than it should: `culprits`, known to be bad themselves,
    the `suspects` yet to be tried apart, and what was given up. `blamed` are the names of which outcomes said so.

    `whole` means that a response always holds every resource (CDS and LDS in SotW). What is rejected is replaced there
    by what the proxy accepted last: `good`, by every name that is owed, under way or rejected (None is nothing). That
    needs to be `known`, which it is not when a proxy comes back with state from elsewhere; then what is rejected goes
    along as it is.
    """

    def __init__(self, type_url: str, *, whole: bool = False) -> None:
        self.type = resource_type(type_url)
        self.whole = whole
        self.known = not whole
        self.wildcard = False
        self.names = Names()
        self.owed: dict[str, str | None] = {}
        self.unanswered = False
        self.rejected: Set[str] = NONE
        self.culprits: Set[str] = NONE
        self.blamed: Set[str] = NONE
        self.suspects = NackBisect()
        self.good: dict[str, Resource | None] = {}
        self.last: InFlight | None = None
        self.in_flight = False
        self.acked = ""
        self.complaint: str | None = None
        self.pushes = 0
        self._bringing: Mapping[str, Resource | None] = {}
        self._tried = False
        self._retracted = False
        self._total = 0

    @property
    def type_url(self) -> str:
        """The URL of the type."""
        return self.type.url

    @property
    def nonce(self) -> str:
        """The nonce of the last response, "" before the first."""
        return self.last.nonce if self.last else ""

    @property
    def news(self) -> bool:
        """Whether there is something to send."""
        return bool(self.owed or self.suspects) or self.unanswered

    @property
    def quiet(self) -> bool:
        """Whether the proxy has accepted all it should hold."""
        return self.answered and not self.rejected

    @property
    def answered(self) -> bool:
        """Whether the proxy has answered all it was owed, be it with an ACK or a NACK."""
        return not (self.news or self.in_flight)

    def covers(self, name: str) -> bool:
        """Say whether the proxy asked for a name."""
        return self.wildcard or name in self.names

    def version(self, instead: Iterable[tuple[str, str, str]] = ()) -> str:
        """Return the content version of all that is asked for; `instead` are (name, version, the one that stays)."""
        swapped = sum(term(name, stays) - term(name, version) for name, version, stays in instead)
        return spelled(self._total + swapped)

    @property
    def incomplete(self) -> str:
        """The version of a response that leaves much to those after it: one that is never complete."""
        return spelled(self._total + _MORE)

    def withheld(self, names: Collection[str]) -> set[str]:
        """Return what the proxy goes on holding something else of than it should when a response brings these names."""
        if not self.rejected and len(names) == len(self.owed):
            return set()  # all of it was due
        return (self.rejected | self.owed.keys()).difference(names)

    def cover(self, name: str, wanted: str) -> None:
        """Count a name that was not asked for before."""
        self._total += term(name, wanted)

    def uncover(self, name: str, wanted: str) -> None:
        """Forget a name that is no longer asked for."""
        self._total -= term(name, wanted)
        self.owed.pop(name, None)
        self.good.pop(name, None)
        _drop(self.culprits, (name,))
        self._clear({name})
        if name in self.blamed:
            _drop(self.blamed, (name,))
            self._retracted = True

    def retract(self) -> bool:
        """Say whether something was blamed that is no longer asked for, since this was asked last."""
        retracted, self._retracted = self._retracted, False
        if retracted and not self.blamed:
            self.complaint = None
        return retracted

    def owe(self, name: str, held: str | None, wanted: str) -> None:
        """Note what the proxy holds of a name, and owe it the rest."""
        if held == wanted:
            self.owed.pop(name, None)
        else:
            self.owed[name] = held

    def take(self, changes: Iterable[Change], nothing: str) -> None:
        """Take in that versions changed; no version is `nothing`. What was rejected is tried again.

        Where nothing is rejected, a change is only owed: there may be thousands, for thousands of streams.
        """
        plain = not (self.whole or self.rejected or self.culprits)
        names, owed = self.names, self.owed
        for change in changes:
            name = change.name
            if not (self.wildcard or name in names):
                continue
            before, after = change.before or nothing, change.after or nothing
            self._total += shift(name, before, after) if change.shift is None else change.shift
            if not plain:
                self._reconsider(change)
            held = owed.get(name, before)
            if held == after:
                owed.pop(name, None)
            else:
                owed[name] = held

    def _reconsider(self, change: Change) -> None:
        """Let a change speak for what was rejected.

        When it was one of several that were given up, all of these are tried again: any may have been the cause.
        """
        name = change.name
        if self.whole:
            self.good.setdefault(name, change.was)
        if name in self.rejected:
            again = {name} if name in self.culprits or name in self.suspects else self._given_up()
            self.owed.update(dict.fromkeys(again))
            self._clear(again)
        _drop(self.culprits, (name,))

    def due(self, most: int) -> tuple[str, ...]:
        """Return the names the next response brings, sorted; so many at most, unless it has to be whole.

        Changes and suspects take turns, so that neither waits for ever. A culprit that is owed again (a cluster that
        warms waits for its endpoints, even for bad ones) goes alone, last, so that it does no harm to others.
        """
        if not self.known:
            return tuple(sorted(self.owed.keys() | self.rejected))
        fresh = [name for name in self.owed if name not in self.culprits] if self.culprits else self.owed
        if self.suspects and not (fresh and self._tried):
            return tuple(sorted(self.suspects.next))
        return tuple(sorted(islice(fresh, None if self.whole else most)) or sorted(self.owed)[:1])

    def sent(self, flight: InFlight, bringing: Mapping[str, Resource | None]) -> None:
        """Take a response as sent; `bringing` are its names and resources, needed of a whole type only."""
        self._tried = bool(self.suspects) and self.suspects.next == set(flight.names)
        if len(flight.names) == len(self.owed) and not self.rejected:
            self.owed = {}  # all of it was due
        for name in flight.names if self.owed else ():
            self.owed.pop(name, None)
        self.owed = self.owed or {}  # one that held thousands of names would keep its size
        self._clear(flight.names)
        self.unanswered = False
        self._bringing = bringing
        self.last, self.in_flight = flight, True
        self.pushes += 1

    def ack(self) -> str:
        """Take the response in flight as accepted; return its version."""
        assert self.last is not None
        self.in_flight = False
        self.known = True
        _drop(self.culprits, self.last.names)
        self._hold(self.last.names)
        self.suspects.rest()
        self.blamed = {*self.blamed} & self.rejected if self.blamed else NONE
        self.complaint = None if not self.rejected else self.complaint
        self.acked = self.last.version
        self.last = msgspec.structs.replace(self.last, names=())  # what was accepted need not be remembered
        self._bringing = {}
        return self.acked

    def nack(self, message: str) -> tuple[str, ...]:
        """Take the response in flight as rejected; return the names that may be the cause, to be tried apart.

        What has changed meanwhile, or is no longer asked for, may have been the cause: then the others are not split.
        """
        assert self.last is not None
        self.in_flight = False
        self.complaint = message
        names = {name for name in self.last.names if self.covers(name)}
        stood = names - self.owed.keys()
        self.owed.update(dict.fromkeys(names - stood))
        listed = blamed(message, names)
        if listed:
            self._confirm(stood - listed)
            self._hold(names - listed)
            self._convict(listed & stood)
        elif len(self.last.names) == 1:
            self._convict(stood)
        else:
            self._suspect(stood, split=len(stood) == len(self.last.names))
        self.suspects.rest()
        self._bringing = {}
        self.blamed = {*self.blamed, *(listed or names)}
        return tuple(sorted(listed)) or self.last.names

    def _convict(self, names: set[str]) -> None:
        self.rejected = {*self.rejected, *names}
        self.culprits = {*self.culprits, *names}
        if names:
            self.suspects.found()

    def _confirm(self, names: set[str]) -> None:
        """Bring again what Envoy applied out of a rejected response, so that it accepts a version that says so."""
        if self.known:
            self.rejected = {*self.rejected, *names}
            self.suspects.group(names)

    def _suspect(self, names: set[str], *, split: bool) -> None:
        if not self.known and not split:
            self.owed.update(dict.fromkeys(names))
            return
        self.rejected = {*self.rejected, *names}
        if self.known:
            (self.suspects.split if split else self.suspects.group)(names)

    def _hold(self, names: Iterable[str]) -> None:
        """Note that the proxy holds what was brought of these names."""
        if not self.whole:
            return
        for name in names:
            if name in self.owed or name in self.rejected:
                self.good[name] = self._bringing.get(name)
            else:
                self.good.pop(name, None)
        self.good = self.good or {}

    def _given_up(self) -> set[str]:
        return {name for name in self.rejected - self.culprits if name not in self.suspects}

    def _clear(self, names: Collection[str]) -> None:
        _drop(self.rejected, names)
        self.suspects.drop(names)


def _drop(of: Set[str], names: Iterable[str]) -> None:
    if isinstance(of, set):
        of.difference_update(names)
