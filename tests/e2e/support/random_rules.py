"""Random actions of a rule, legal, odd and illegal, for manifests whose configuration Envoy must accept."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

ILLEGAL_SHARE = 0.03
"""The share of values that validation rejects: small, or nothing would be left to accept."""

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


class RandomRules:
    """Random parts of rules."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def changes(self) -> dict[str, Any]:
        """Fields of any rule that forwards requests."""
        parts: Mapping[str, Callable[[], dict[str, Any]]] = {
            "rewrite": self._rewrite,
            "headers": self.headers,
            "retries": self._retries,
            "fault": self._fault,
            "corsPolicy": self._cors,
        }
        return {name: make() for name, make in parts.items() if self._dice.random() < 0.3}

    def terminal_action(self) -> dict[str, Any]:
        """An action in place of a route."""
        return self._dice.choice((self._redirect, self._answer, self._delegate))()

    def headers(self) -> dict[str, Any]:
        """Changes of headers."""
        return {side: self._changes() for side in self._sample(("request", "response"))}

    def _changes(self) -> dict[str, Any]:
        pairs = {field: {str(self._pick(HEADERS)): self._pick(VALUES)} for field in self._sample(("set", "add"))}
        return {**pairs, "remove": self._sample(HEADERS)}

    def _rewrite(self) -> dict[str, Any]:
        inside = {"match": self._pick(REGEXES), "rewrite": self._pick(TEXTS)}
        path = self._dice.choice(({"uri": self._pick(TEXTS)}, {"uriRegexRewrite": inside}))
        return self._dice.choice(({"authority": self._pick(TEXTS)}, path, {"authority": self._pick(TEXTS), **path}))

    def _retries(self) -> dict[str, Any]:
        on = ",".join(self._sample(("5xx", "reset", "503", "retriable-4xx", "")))
        policy = {"attempts": self._pick((1, 3, 1000)), "retryOn": on, "perTryTimeout": self._pick(DURATIONS)}
        return {**policy, "backoff": self._pick(DURATIONS), "retryRemoteLocalities": self._pick((True, False))}

    def _fault(self) -> dict[str, Any]:
        delay = {"fixedDelay": self._pick(DURATIONS), "percentage": self._pick(PERCENT)}
        abort = {"httpStatus": self._pick(STATUSES), "percentage": self._pick(PERCENT)}
        grpc = {"grpcStatus": self._pick(("UNAVAILABLE", "ABORTED")), "percentage": self._pick(PERCENT)}
        parts = {"delay": delay, "abort": self._dice.choice((abort, grpc))}
        return {name: parts[name] for name in self._sample(("delay", "abort"))}

    def _cors(self) -> dict[str, Any]:
        return {
            "allowOrigins": self._sample(ORIGINS),
            "allowMethods": self._sample(("GET", "POST", "*")),
            "allowHeaders": self._sample(HEADERS),
            "exposeHeaders": self._sample(HEADERS),
            "maxAge": self._pick(DURATIONS),
            "allowCredentials": self._pick((True, False)),
        }

    def _redirect(self) -> dict[str, Any]:
        parts = {
            "uri": self._pick(TEXTS),
            "prefixRewrite": self._pick(TEXTS),
            "authority": self._pick(TEXTS),
            "scheme": self._pick(("http", "https")),
            "port": self._pick((0, 80, 443, 8080)),
            "derivePort": self._pick(("FROM_REQUEST_PORT", "FROM_PROTOCOL_DEFAULT")),
            "redirectCode": self._pick((0, 301, 302, 307, 308)),
        }
        return {"redirect": {name: parts[name] for name in self._sample(tuple(parts))}}

    def _answer(self) -> dict[str, Any]:
        body = self._pick(({"string": "x"}, {"string": ""}, {"bytes": "AAEC"}, {}, {"string": "x" * 200_000}))
        return {"directResponse": {"status": self._pick(STATUSES), "body": body}}

    def _delegate(self) -> dict[str, Any]:
        return {"delegate": {"name": f"o{self._dice.randrange(30)}"}}

    def _pick(self, pool: Sequence[Any]) -> Any:
        return self._dice.choice(ILLEGAL if self._dice.random() < ILLEGAL_SHARE else pool)

    def _sample(self, pool: Sequence[Any]) -> list[Any]:
        return self._dice.sample(pool, self._dice.randint(1, min(2, len(pool))))
