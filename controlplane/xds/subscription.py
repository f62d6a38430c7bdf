"""What a stream has asked of one type, and what the proxy is still owed of it.

Separate because both protocols keep the same books: a name is *owed* while the version the proxy holds differs from the
version it should hold, or is unknown. Everything else (what to send, when a type is quiet) follows from that.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec
import xxhash

from api.resource import Resource
from controlplane.xds.names import Names
from controlplane.xds.suspects import Suspects, blamed

_MASK = (1 << 128) - 1


def digest(versions: Iterable[tuple[str, str]]) -> str:
    """Return the content version of (name, version) pairs: the same for any order, and on every replica."""
    return _spell(sum(_term(name, version) for name, version in versions))


class Flight(msgspec.Struct, frozen=True):
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
        self.type_url = type_url
        self.whole = whole
        self.known = not whole
        self.wildcard = False
        self.names = Names()
        self.owed: dict[str, str | None] = {}
        self.unanswered = False
        self.rejected: set[str] = set()
        self.culprits: set[str] = set()
        self.blamed: set[str] = set()
        self.suspects = Suspects()
        self.good: dict[str, Resource | None] = {}
        self.last: Flight | None = None
        self.in_flight = False
        self.acked = ""
        self.complaint: str | None = None
        self.pushes = 0
        self._bringing: Mapping[str, Resource | None] = {}
        self._tried = False
        self._retracted = False
        self._total = 0

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
        swapped = sum(_term(name, stays) - _term(name, version) for name, version, stays in instead)
        return _spell(self._total + swapped)

    def withheld(self, names: Iterable[str]) -> set[str]:
        """Return what the proxy goes on holding something else of than it should when a response brings these names."""
        return (self.rejected | self.owed.keys()).difference(names)

    def cover(self, name: str, wanted: str) -> None:
        """Count a name that was not asked for before."""
        self._total += _term(name, wanted)

    def uncover(self, name: str, wanted: str) -> None:
        """Forget a name that is no longer asked for."""
        self._total -= _term(name, wanted)
        self.owed.pop(name, None)
        self.good.pop(name, None)
        self.culprits.discard(name)
        self._clear({name})
        if name in self.blamed:
            self.blamed.discard(name)
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

    def change(self, name: str, before: str, after: str, was: Resource | None = None) -> None:
        """Note that the version of a name changed; `was` is the resource it had. One that was rejected is tried again.

        When it is one of several that were given up, all of these are tried again: any of them may have been the cause.
        """
        self._total += _term(name, after) - _term(name, before)
        if self.whole:
            self.good.setdefault(name, was)
        if name in self.rejected:
            again = {name} if name in self.culprits or name in self.suspects else self._given_up()
            self.owed.update(dict.fromkeys(again))
            self._clear(again)
        self.culprits.discard(name)
        self.owe(name, self.owed.get(name, before), after)

    def due(self) -> tuple[str, ...]:
        """Return the names the next response brings, sorted.

        Changes and suspects take turns, so that neither waits for ever. A culprit that is owed again (a cluster that
        warms waits for its endpoints, even for bad ones) goes alone, last, so that it does no harm to others.
        """
        if not self.known:
            return tuple(sorted(self.owed.keys() | self.rejected))
        fresh = self.owed.keys() - self.culprits
        if self.suspects and not (fresh and self._tried):
            return tuple(sorted(self.suspects.next))
        return tuple(sorted(fresh or sorted(self.owed)[:1]))

    def sent(self, flight: Flight, bringing: Mapping[str, Resource | None]) -> None:
        """Take a response as sent; `bringing` are its names and resources, needed of a whole type only."""
        self._tried = bool(self.suspects) and self.suspects.next == set(flight.names)
        for name in flight.names:
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
        self.culprits.difference_update(self.last.names)
        self._hold(self.last.names)
        self.suspects.rest()
        self.blamed &= self.rejected
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
        self.blamed |= listed or names
        return tuple(sorted(listed)) or self.last.names

    def _convict(self, names: set[str]) -> None:
        self.rejected |= names
        self.culprits |= names
        if names:
            self.suspects.found()

    def _confirm(self, names: set[str]) -> None:
        """Bring again what Envoy applied out of a rejected response, so that it accepts a version that says so."""
        if self.known:
            self.rejected |= names
            self.suspects.group(names)

    def _suspect(self, names: set[str], *, split: bool) -> None:
        if not self.known and not split:
            self.owed.update(dict.fromkeys(names))
            return
        self.rejected |= names
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
        self.rejected.difference_update(names)
        self.suspects.drop(names)


def _term(name: str, version: str) -> int:
    return xxhash.xxh3_128_intdigest(f"{name}\0{version}".encode()) if version else 0


def _spell(total: int) -> str:
    return f"{total & _MASK:032x}"
