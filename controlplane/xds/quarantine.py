"""What the proxy rejects of one type: the names, which of them are known to be bad, and what it holds instead.

Separate because most streams never reject anything: to them a Quarantine is empty, and costs nothing.
"""

from collections.abc import Collection, Container, Iterable, Mapping, Set

from mirrorplane.api.resource import Resource
from mirrorplane.controlplane.xds.nack_bisect import NackBisect, listed_culprits
from mirrorplane.controlplane.xds.served_resources import ResourceChange

EMPTY: Set[str] = frozenset()
"""No names. Four empty sets for each type of each stream would be 900 bytes."""

NO_RESOURCES: Mapping[str, Resource | None] = {}


class Quarantine:
    """The rejected resources of one type on one stream.

    `rejected`: names of which the proxy holds another version than it should. They are the `culprits`, known to be bad
    themselves; those in `bisect`, still to be tried apart; and those of a search that was given up.
    `blamed`: names that an outcome reported as rejected. `nack_message`: the last NACK's message while something is.

    In a full-state response, what is rejected is replaced by what the proxy accepted last: `last_good`, by every name
    that is pending, in flight or rejected (None is no resource). `last_good_known` is False for a reconnecting proxy
    with state from elsewhere, until it accepts something; until then what is rejected is sent as it is.
    See decision 0034.
    """

    __slots__ = (
        "_full_state",
        "_group_sent",
        "_in_response",
        "_retracted",
        "bisect",
        "blamed",
        "culprits",
        "last_good",
        "last_good_known",
        "nack_message",
        "rejected",
    )

    def __init__(self, *, full_state: bool) -> None:
        self.rejected: Set[str] = EMPTY
        self.culprits: Set[str] = EMPTY
        self.blamed: Set[str] = EMPTY
        self.bisect = NackBisect()
        self.nack_message: str | None = None
        self.last_good: dict[str, Resource | None] = {}
        self.last_good_known = not full_state
        self._full_state = full_state
        self._in_response = NO_RESOURCES
        self._group_sent = False
        self._retracted = False

    @property
    def searches(self) -> bool:
        """Whether a group of rejected names is still to be tried apart."""
        # Every name in `bisect` is rejected: the usual stream, which rejects nothing, is through with the first test.
        return bool(self.rejected) and bool(self.bisect)

    def next_names(self, pending: Mapping[str, str | None]) -> Iterable[str]:
        """Return the names to send next: a group of the bisection, or what is pending.

        Both take turns, so that neither waits for ever. A culprit that is pending again (a cluster that warms waits for
        its endpoints, even for bad ones) is sent alone, last, so that it does no harm to others.
        """
        harmless = [name for name in pending if name not in self.culprits] if self.culprits else pending
        if self.searches and not (harmless and self._group_sent):
            return self.bisect.next_group
        return harmless or sorted(pending)[:1]

    def send(self, names: Collection[str], in_response: Mapping[str, Resource | None]) -> None:
        """Note that a response was sent; `in_response` holds its resources by name, in full-state responses only."""
        self._group_sent = self.searches and self.bisect.next_group == set(names)
        self._in_response = in_response
        self.release(names)

    def accept(self, names: Collection[str], pending: Container[str]) -> None:
        """Note that the response that brought these names was accepted."""
        self.last_good_known = True
        if self.culprits:
            _discard(self.culprits, names)
        if self._full_state:
            self._record_good(names, pending)
        self.bisect.end_if_done()
        self.blamed = {*self.blamed} & self.rejected if self.blamed else EMPTY
        self.nack_message = self.nack_message if self.rejected else None
        self._in_response = NO_RESOURCES

    def reject(self, message: str, names: Set[str], pending: dict[str, str | None], *, complete: bool) -> set[str]:
        """Note that a response was rejected; return the culprits that Envoy's message lists.

        `names` are those of the response that are still subscribed to; `complete`: these are all it brought.
        What has changed meanwhile, or is no longer subscribed to, may have been the cause: then the others are not
        split, but sent once more together. `pending` gains the names that are to be sent as if nothing was held.
        """
        unchanged = names - pending.keys()
        pending.update(dict.fromkeys(names - unchanged))
        self.nack_message = message
        listed = listed_culprits(message, names)
        if listed:
            self._resend_applied(unchanged - listed)
            if self._full_state:
                self._record_good(names - listed, pending)
            self._convict(listed & unchanged)
        elif complete and len(names) == 1:
            self._convict(unchanged)
        else:
            self._suspect(unchanged, pending, split=complete and len(unchanged) == len(names))
        self.bisect.end_if_done()
        self.blamed = {*self.blamed, *(listed or names)}
        self._in_response = NO_RESOURCES
        return listed

    def reconsider(self, change: ResourceChange, pending: dict[str, str | None]) -> None:
        """Try a rejected name again because it changed.

        If it was one of several that were given up, all of these are tried again: any may have been the cause.
        """
        name = change.name
        if self._full_state:
            self.last_good.setdefault(name, change.was)
        if name in self.rejected:
            again = {name} if name in self.culprits or name in self.bisect else self._given_up_names()
            pending.update(dict.fromkeys(again))
            self.release(again)
        _discard(self.culprits, (name,))

    def release(self, names: Collection[str]) -> None:
        """Count names as rejected no more: they are in flight, or have changed."""
        if self.rejected:
            _discard(self.rejected, names)
            self.bisect.discard(names)

    def forget(self, name: str) -> None:
        """Forget a name that is no longer subscribed to."""
        self.last_good.pop(name, None)
        _discard(self.culprits, (name,))
        self.release((name,))
        if name in self.blamed:
            _discard(self.blamed, (name,))
            self._retracted = True

    def retract(self) -> bool:
        """Tell whether a blamed name was forgotten since the last call."""
        retracted, self._retracted = self._retracted, False
        if retracted and not self.blamed:
            self.nack_message = None
        return retracted

    def _convict(self, names: Set[str]) -> None:
        self.rejected = {*self.rejected, *names}
        self.culprits = {*self.culprits, *names}
        if names:
            self.bisect.count_culprit()

    def _resend_applied(self, names: Set[str]) -> None:
        """Send again what Envoy applied of a rejected response, so that it accepts a version that stands for it."""
        if self.last_good_known:
            self.rejected = {*self.rejected, *names}
            self.bisect.add_group(names)

    def _suspect(self, names: Set[str], pending: dict[str, str | None], *, split: bool) -> None:
        if not self.last_good_known and not split:
            pending.update(dict.fromkeys(names))
            return
        self.rejected = {*self.rejected, *names}
        if self.last_good_known:
            (self.bisect.split if split else self.bisect.add_group)(names)

    def _record_good(self, names: Iterable[str], pending: Container[str]) -> None:
        """Note that the proxy now holds what the response brought of these names."""
        for name in names:
            # What is up to date needs no entry: the proxy holds what the newest set has.
            if name in pending or name in self.rejected:
                self.last_good[name] = self._in_response.get(name)
            else:
                self.last_good.pop(name, None)
        # A dictionary that was emptied keeps its memory; a new one has none.
        self.last_good = self.last_good or {}

    def _given_up_names(self) -> set[str]:
        return {name for name in self.rejected - self.culprits if name not in self.bisect}


def _discard(names: Set[str], removed: Iterable[str]) -> None:
    """Remove names from a set. The shared empty one is no `set`, and stays as it is."""
    if isinstance(names, set):
        names.difference_update(removed)
