"""A small language for what becomes of requests: `brief(ask(served, "GET http://web:8000/a"))` is `web/v1 as /b`.

A request to a port goes to that port's listener; `proxied` sends it through the HTTP proxy.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from mirrorplane.api.resource import ResourceSet
from mirrorplane.api.tracing import Forwarded, HeaderEdit, MirrorOutcome, Outcome, Reply, Request, Target
from mirrorplane.translators.matching.decoded import DecodedResources, decode_resources
from mirrorplane.translators.matching.outcome import trace_request

Headers = Mapping[str, str | tuple[str, ...]]


def ask(
    served: ResourceSet | DecodedResources, text: str, headers: Headers | None = None, *,
    random_value: int | None = None, proxied: bool = False, address: str = "",
) -> Outcome:  # fmt: skip
    """What becomes of a request, `GET http://host:port/path`; a header may have several values. `udp://`: by UDP.

    `address` is the one that the client dials, where the kernel tells.
    """
    method, _, url = text.partition(" ")
    parts = urlsplit(url)
    pairs = [(name.lower(), v) for name, value in (headers or {}).items() for v in _values(value)]
    request = Request(
        authority=parts.netloc,
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        method=method,
        headers=tuple(pairs),
        port=0 if proxied else parts.port or (443 if parts.scheme == "https" else 80),
        random_value=random_value,
        tls=parts.scheme == "https",
        address=address,
        udp=parts.scheme == "udp",
    )
    return trace_request(decode_resources(served) if isinstance(served, ResourceSet) else served, request)


def brief(outcome: Outcome) -> str:
    """An outcome in few words.

    `web/v1`, `web/v1 90 + web/v2 10`, `web/v1 as /new`, `web/v1 as h.example/new`, `web/v1; copy 50 %` for a mirror,
    `301 http://...`, `200 text`, `404`; `tcp web` and `udp web` where only bytes are seen, `nothing` where nobody
    listens.
    """
    if not outcome.listener:
        return "nothing"
    if outcome.l4_clusters:
        shares = [(_name(s.cluster.rpartition("|")[2]), s) for s in outcome.l4_clusters]
        kind = "udp " if outcome.request.udp else "tcp "
        return kind + " + ".join(f"{name} {s.weight}" if s.weight != s.total else name for name, s in shares)
    if isinstance(outcome.action, Reply):
        return f"{outcome.action.status} {outcome.action.location or outcome.action.body.decode()}".strip()
    if outcome.status or outcome.action is None:
        return str(outcome.status)
    return "; ".join((_sent(outcome.action, outcome.request), *(_copy(copy) for copy in outcome.action.mirrors)))


def headers_of(outcome: Outcome) -> dict[str, str]:
    """The headers that requests are sent on with; all targets must agree. Repeated ones are joined by `|`."""
    assert isinstance(outcome.action, Forwarded)
    (pairs,) = {target.headers for target in outcome.action.targets}
    return {name: "|".join(v for n, v in pairs if n == name) for name, _ in pairs}


def answer_edits(outcome: Outcome) -> tuple[HeaderEdit, ...]:
    """What is changed on the answer; all targets must agree."""
    if isinstance(outcome.action, Reply):
        return outcome.action.response_edits
    assert isinstance(outcome.action, Forwarded)
    (edits,) = {target.response_edits for target in outcome.action.targets}
    return edits


def reasons(outcome: Outcome) -> list[str]:
    """Why the routes before did not match."""
    return [passed.reason for passed in outcome.skipped]


def _sent(forwarded: Forwarded, request: Request) -> str:
    shares = [
        _place(target) + (f" {target.weight}" if target.weight != target.total else "") for target in forwarded.targets
    ]
    ways = {_way(target, request) for target in forwarded.targets}
    return " + ".join(shares) + "".join(sorted(ways))


def _way(target: Target, request: Request) -> str:
    host = target.authority if target.authority != request.authority else ""
    return f" as {host}{target.path}" if host or target.path != request.path else ""


def _copy(copy: MirrorOutcome) -> str:
    if copy.fires is not None:
        return f"{_place(copy)} {'yes' if copy.fires else 'no'}"
    return f"{_place(copy)} {100 * copy.numerator / copy.denominator:g} %"


def _place(target: Target | MirrorOutcome) -> str:
    port = f":{target.port}" if target.port not in {0, 8000} else ""
    return (
        (_name(target.host) or target.cluster)
        + port
        + (f"/{target.subset}" if target.subset else "")
        + (
            f" ({target.status})"
            if isinstance(target, Target) and target.problem
            else " (503)"
            if target.problem
            else ""
        )
    )


def _name(host: str) -> str:
    return host.removesuffix(".default.svc.cluster.local")


def _values(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
