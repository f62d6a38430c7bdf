"""How connected proxies look from outside: plain rows for /debug/proxies, and what a person reads of them.

Separate from the report, which is about objects: a row is about one stream, and is what `mirrorplane proxies` is sent.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from mirrorplane.api.proxy import Scope
from mirrorplane.api.resource import PUSH_ORDER, resource_type
from mirrorplane.controlplane.findings.format import one_line
from mirrorplane.controlplane.xds.status import StreamStatus, TypeStatus

COLUMNS = ("NAME", "SCOPE", "CDS", "LDS", "EDS", "RDS", "AGE")
_TYPES = COLUMNS[2:6]
_LABELS = ("labels", "ranked", "selected", "workload")
_DIGITS = 8
_MINUTE, _HOUR, _DAY = 60, 3600, 86400

Row = Mapping[str, Any]


Each = Callable[[Iterable[tuple[StreamStatus, Scope]]], Iterable[tuple[StreamStatus, Scope]]]


def proxy_rows(
    streams: Sequence[StreamStatus], scopes: Sequence[Scope], now: float, each: Each = lambda pairs: pairs
) -> list[Row]:
    """Return a row for each stream, by namespace and name. Scopes are in the streams' order; `now` is Unix time.

    `each` may pause between streams, of which there may be thousands.
    """
    shared = Counter({stream.proxy.id: scope for stream, scope in zip(streams, scopes, strict=True)}.values())
    rows = [_row(stream, scope, shared[scope], now) for stream, scope in each(zip(streams, scopes, strict=True))]
    return sorted(rows, key=lambda row: (row["namespace"], row["name"], row["id"], row["since"]))


def table_cells(row: Row, *, wide: bool = False) -> tuple[tuple[str, ...], list[str]]:
    """Return a row's cells, one for each of COLUMNS, and the lines on what the proxy rejects.

    Wide cells say which version of a type was accepted, and which was sent if that is another one.
    """
    types = row["types"]
    states = (_state(types[name], wide=wide) if name in types else "-" for name in _TYPES)
    cells = (f"{row['name']}.{row['namespace']}", _scope_line(row), *states, _age(row["age_seconds"]))
    nacks = [f"{name} rejected: {found['nack']}" for name, found in types.items() if found["nack"] is not None]
    return tuple(map(one_line, cells)), list(map(one_line, nacks))


def _row(stream: StreamStatus, scope: Scope, sharing: int, now: float) -> dict[str, Any]:
    proxy = stream.proxy
    return {
        "id": proxy.id,
        "role": proxy.role,
        "name": proxy.name,
        "namespace": proxy.namespace,
        "identity": proxy.identity,
        "scope": _scope_values(scope),
        "sharing_scope": sharing,
        "variant": stream.variant,
        "since": datetime.fromtimestamp(stream.since, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "age_seconds": round(max(0.0, now - stream.since), 3),
        "types": {resource_type(one.type_url).short or one.type_url: _type_row(one) for one in _ordered(stream.types)},
    }


def _scope_values(scope: Scope) -> dict[str, Any]:
    values = msgspec.to_builtins(scope) | {name: dict(getattr(scope, name)) for name in (*_LABELS, "workload")}
    values["gateways"] = [f"{ref.namespace}/{ref.name}" for ref in scope.gateways]
    values["shows"] = str(scope.shows or "")
    seen = values.pop("visibility") | {"sidecar": str(scope.visibility.sidecar or "")}
    return {"role": values.pop("role"), **seen, **values}


def _ordered(types: Iterable[TypeStatus]) -> list[TypeStatus]:
    places = {type_url: place for place, type_url in enumerate(PUSH_ORDER)}
    return sorted(types, key=lambda status: places.get(status.type_url, len(places)))


def _type_row(status: TypeStatus) -> dict[str, Any]:
    return {
        "type_url": status.type_url,
        "state": status.state,
        "synced": status.settled and status.nack is None,
        "sent": status.sent,
        "acked": status.acked,
        "nack": status.nack,
        "pushes": status.pushes,
        "wildcard": status.wildcard,
        "subscribed": status.subscribed,
    }


def _scope_line(row: Row) -> str:
    """Return a scope in a few words, and how many other proxies share it: `sidecar default version=v2 (+3)`."""
    scope = row["scope"]
    labels = {f"{key}={value}": None for name in _LABELS for key, value in scope[name].items()}
    said = [scope["role"], scope["namespace"], *labels]
    said += ["/".join(filter(None, scope["locality"].values()))] if any(scope["locality"].values()) else []
    said += [word for word in ("unprivileged", "intercepted") if scope[word]]
    said += [scope["sidecar"]] if scope["sidecar"] else []
    others = row["sharing_scope"] - 1
    return " ".join([*said, *([f"(+{others})"] if others else [])])


def _state(found: Mapping[str, Any], *, wide: bool) -> str:
    sent, acked = (str(found[key])[:_DIGITS] or "none" for key in ("sent", "acked"))
    versions = acked if sent == acked else f"{acked} (sent {sent})"
    return f"{found['state']} {versions}" if wide else str(found["state"])


def _age(seconds: float) -> str:
    """Return an age as kubectl would: `12s`, `5m`, `3h`, `2d`."""
    for unit, size in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"
