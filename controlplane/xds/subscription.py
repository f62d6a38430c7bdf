"""What a stream has asked of one type, and what the proxy is still owed of it.

Separate because both protocols keep the same books: a name is *owed* while the version the proxy holds differs from the
version it should hold, or is unknown. Everything else (what to send, when a type is quiet) follows from that.
"""

from collections.abc import Iterable

import msgspec
import xxhash

_MASK = (1 << 128) - 1


def digest(versions: Iterable[tuple[str, str]]) -> str:
    """Return the content version of (name, version) pairs: the same for any order, and on every replica."""
    return _spell(sum(_term(name, version) for name, version in versions))


class Flight(msgspec.Struct, frozen=True):
    """A response on its way: `names` are the resources that were owed, `at` is when it was sent."""

    nonce: str
    version: str
    names: tuple[str, ...]
    at: float


class Subscription:
    """One type on one stream. At most one response is in flight.

    `whole` means that a response always holds every resource (CDS and LDS in SotW), so what was rejected goes along.
    `owed` maps a name to the version the proxy holds: "" is none, None is unknown and always answered.
    `unanswered` means that the proxy waits for a response even if nothing is owed.
    """

    def __init__(self, type_url: str, *, whole: bool = False) -> None:
        self.type_url = type_url
        self.whole = whole
        self.wildcard = False
        self.names: set[str] = set()
        self.owed: dict[str, str | None] = {}
        self.unanswered = False
        self.rejected: set[str] = set()
        self.last: Flight | None = None
        self.in_flight = False
        self.acked = ""
        self.complaint: str | None = None
        self.pushes = 0
        self._total = 0

    @property
    def nonce(self) -> str:
        """The nonce of the last response, "" before the first."""
        return self.last.nonce if self.last else ""

    @property
    def news(self) -> bool:
        """Whether there is something to send."""
        return bool(self.owed) or self.unanswered

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

    def version(self, without: Iterable[tuple[str, str]] = ()) -> str:
        """Return the content version of all that is asked for, less some (name, version) pairs."""
        return _spell(self._total - sum(_term(name, version) for name, version in without))

    def cover(self, name: str, wanted: str) -> None:
        """Count a name that was not asked for before."""
        self._total += _term(name, wanted)

    def uncover(self, name: str, wanted: str) -> None:
        """Forget a name that is no longer asked for."""
        self._total -= _term(name, wanted)
        self.owed.pop(name, None)
        self.rejected.discard(name)

    def owe(self, name: str, held: str | None, wanted: str) -> None:
        """Note what the proxy holds of a name, and owe it the rest."""
        if held == wanted:
            self.owed.pop(name, None)
        else:
            self.owed[name] = held

    def change(self, name: str, before: str, after: str) -> None:
        """Note that the version of a name changed. When a rejected one does, all rejected get another try."""
        self._total += _term(name, after) - _term(name, before)
        if name in self.rejected:
            self._retry(self.rejected)
        self.owe(name, self.owed.get(name, before), after)

    def due(self) -> tuple[str, ...]:
        """Return the names the next response brings, sorted."""
        return tuple(sorted(self.owed.keys() | self.rejected if self.whole else self.owed))

    def sent(self, flight: Flight) -> None:
        """Take a response as sent: nothing is owed until the next change."""
        self.owed.clear()
        self.rejected.difference_update(flight.names)
        self.unanswered = False
        self.last, self.in_flight = flight, True
        self.pushes += 1

    def ack(self) -> str:
        """Take the response in flight as accepted; return its version."""
        assert self.last is not None
        self.in_flight = False
        self.complaint = None if not self.rejected else self.complaint
        self.acked = self.last.version
        self.last = msgspec.structs.replace(self.last, names=())  # what was accepted need not be remembered
        return self.acked

    def nack(self, message: str) -> None:
        """Take the response in flight as rejected: of all its resources we no longer know what the proxy holds."""
        assert self.last is not None
        self.in_flight = False
        self.complaint = message
        names = {name for name in self.last.names if self.covers(name)}
        if names.isdisjoint(self.owed):
            self.rejected |= names
        else:
            self._retry(names)

    def _retry(self, names: set[str]) -> None:
        self.owed.update(dict.fromkeys(names))
        self.rejected = self.rejected - names


def _term(name: str, version: str) -> int:
    return xxhash.xxh3_128_intdigest(f"{name}\0{version}".encode()) if version else 0


def _spell(total: int) -> str:
    return f"{total & _MASK:032x}"
