"""Which clients use which scopes: a client with many different ones must not delay the others.

A client is an authenticated identity, or else an address. What its proxies say of themselves decides their scopes, so
it can make up as many as it likes.
"""

from collections import Counter
from typing import TypeVar

from mirrorplane.api.proxy import Scope

K = TypeVar("K")
V = TypeVar("V")
FAIR_SHARE = 16
"""Scopes of one client that are brought up to date together with those of all others."""


class TooManyScopesError(Exception):
    """A client has as many scopes as one client may have. The message is the sentence it gets."""


class ScopeClients:
    """Counts the streams of clients by scope. A client has at most `limit` scopes; one without a name, any number."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._scopes: dict[str, Counter[Scope]] = {}
        self._clients: dict[Scope, Counter[str]] = {}

    def check(self, client: str, scope: Scope) -> None:
        """Check that a client may use a scope. Raises TooManyScopesError."""
        scopes = self._scopes.get(client, Counter[Scope]())
        if client and scope not in scopes and len(scopes) >= self._limit:
            raise TooManyScopesError(
                f"the proxies of {client} have {self._limit} different configurations, the limit for one client "
                "(mirrorplane serve --max-scopes)"
            )

    def add(self, client: str, scope: Scope) -> None:
        """Note one more stream of a client in a scope."""
        self._scopes.setdefault(client, Counter())[scope] += 1
        self._clients.setdefault(scope, Counter())[client] += 1

    def remove(self, client: str, scope: Scope) -> None:
        """Note one stream less."""
        _decrement(self._scopes, client, scope)
        _decrement(self._clients, scope, client)

    def has_fair_client(self, scope: Scope) -> bool:
        """Tell whether a scope has a client that does not use more scopes than its share."""
        clients = self._clients.get(scope, ())
        return any(not client or len(self._scopes[client]) <= FAIR_SHARE for client in clients)


def _decrement(counters: dict[K, Counter[V]], key: K, value: V) -> None:
    counter = counters[key]
    counter[value] -= 1
    if not counter[value]:
        del counter[value]
    if not counter:
        del counters[key]
