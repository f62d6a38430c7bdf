"""Random things a rule can do, legal, odd and illegal, for the worlds that Envoy has to accept."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

ODD = 0.03
"""How often something is taken that validation refuses: rarely, or nothing would be left to be accepted."""

TEXTS = ("/", "/x", "a.example", "ü", "a b", "%", "%REQ(x)%", "x" * 300, "?q=1", "//", "*", "/x#y", "http://[")
HEADERS = (
    "x-a",
    "X-B",
    "cookie",
    "content-length",
    "connection",
    "te",
    "x-envoy-upstream-rq-timeout-ms",
    "grpc-status",
)
VALUES = ("", "1", "%%", "%PROTOCOL%", "%REQ(x-a)%", "ü", " ", "%UPSTREAM_HOST%", "x" * 5000)
DURATIONS = ("0s", "1ms", "1.5s", "25h")
REGEXES = (".*", "/(a)(b)?", "[a-z]+", "^/v([0-9]+)/(.*)$")
PERCENT = ({"value": 0}, {"value": 0.0001}, {"value": 12.5}, {"value": 100}, {}, None)
ORIGINS = ({"exact": "*"}, {"exact": "https://a.example"}, {"prefix": "https://"}, {"regex": ".*"})
STATUSES = (200, 204, 301, 418, 503, 599)
ILLEGAL = (
    "\n",
    "a b",
    "host",
    ":path",
    "é",
    "%ENVIRONMENT(PATH)%",
    "50%",
    "soon",
    "1us",
    "(",
    -1,
    600,
    {},
    {"value": 101},
)


class Oddities:
    """Parts of rules by throwing dice."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def changed(self) -> dict[str, Any]:
        """What may stand on any rule that sends requests on."""
        parts: Mapping[str, Callable[[], dict[str, Any]]] = {
            "rewrite": self._rewrite,
            "headers": self.headers,
            "retries": self._retries,
            "fault": self._fault,
            "corsPolicy": self._cors,
        }
        return {name: make() for name, make in parts.items() if self._dice.random() < 0.3}

    def instead(self) -> dict[str, Any]:
        """What may stand in place of a route."""
        return self._dice.choice((self._redirect, self._answer, self._delegate))()

    def headers(self) -> dict[str, Any]:
        """Changes of headers."""
        return {side: self._changes() for side in self._some(("request", "response"))}

    def _changes(self) -> dict[str, Any]:
        pairs = {field: {str(self._one(HEADERS)): self._one(VALUES)} for field in self._some(("set", "add"))}
        return {**pairs, "remove": self._some(HEADERS)}

    def _rewrite(self) -> dict[str, Any]:
        inside = {"match": self._one(REGEXES), "rewrite": self._one(TEXTS)}
        path = self._dice.choice(({"uri": self._one(TEXTS)}, {"uriRegexRewrite": inside}))
        return self._dice.choice(({"authority": self._one(TEXTS)}, path, {"authority": self._one(TEXTS), **path}))

    def _retries(self) -> dict[str, Any]:
        on = ",".join(self._some(("5xx", "reset", "503", "retriable-4xx", "")))
        policy = {"attempts": self._one((1, 3, 1000)), "retryOn": on, "perTryTimeout": self._one(DURATIONS)}
        return {**policy, "backoff": self._one(DURATIONS), "retryRemoteLocalities": self._one((True, False))}

    def _fault(self) -> dict[str, Any]:
        delay = {"fixedDelay": self._one(DURATIONS), "percentage": self._one(PERCENT)}
        abort = {"httpStatus": self._one(STATUSES), "percentage": self._one(PERCENT)}
        grpc = {"grpcStatus": self._one(("UNAVAILABLE", "ABORTED")), "percentage": self._one(PERCENT)}
        parts = {"delay": delay, "abort": self._dice.choice((abort, grpc))}
        return {name: parts[name] for name in self._some(("delay", "abort"))}

    def _cors(self) -> dict[str, Any]:
        return {
            "allowOrigins": self._some(ORIGINS),
            "allowMethods": self._some(("GET", "POST", "*")),
            "allowHeaders": self._some(HEADERS),
            "exposeHeaders": self._some(HEADERS),
            "maxAge": self._one(DURATIONS),
            "allowCredentials": self._one((True, False)),
        }

    def _redirect(self) -> dict[str, Any]:
        parts = {
            "uri": self._one(TEXTS),
            "prefixRewrite": self._one(TEXTS),
            "authority": self._one(TEXTS),
            "scheme": self._one(("http", "https")),
            "port": self._one((0, 80, 443, 8080)),
            "derivePort": self._one(("FROM_REQUEST_PORT", "FROM_PROTOCOL_DEFAULT")),
            "redirectCode": self._one((0, 301, 302, 307, 308)),
        }
        return {"redirect": {name: parts[name] for name in self._some(tuple(parts))}}

    def _answer(self) -> dict[str, Any]:
        body = self._one(({"string": "x"}, {"string": ""}, {"bytes": "AAEC"}, {}, {"string": "x" * 200_000}))
        return {"directResponse": {"status": self._one(STATUSES), "body": body}}

    def _delegate(self) -> dict[str, Any]:
        return {"delegate": {"name": f"o{self._dice.randrange(30)}"}}

    def _one(self, pool: Sequence[Any]) -> Any:
        return self._dice.choice(ILLEGAL if self._dice.random() < ODD else pool)

    def _some(self, pool: Sequence[Any]) -> list[Any]:
        return self._dice.sample(pool, self._dice.randint(1, min(2, len(pool))))
