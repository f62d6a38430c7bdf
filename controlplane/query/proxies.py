"""Connected proxies: a row per stream for /debug/proxies, and the cells of a row for `mirrorplane proxies`."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.proxy import Locality, Proxy, Scope
from mirrorplane.api.resource import PUSH_ORDER, resource_type
from mirrorplane.controlplane.findings.format import one_line
from mirrorplane.translators.envoy_versions import version_findings

if TYPE_CHECKING:
    from mirrorplane.controlplane.xds.status import StreamStatus, TypeStatus

COLUMNS = ("NAME", "VERSION", "SCOPE", "CDS", "LDS", "EDS", "RDS", "AGE")
_TYPES = COLUMNS[3:7]
_VERSION_DIGITS = 8
_UNKNOWN_VERSION = "(unknown version)"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400

Labels = Mapping[str, str]
Paced = Callable[[Iterable[tuple["StreamStatus", Scope]]], Iterable[tuple["StreamStatus", Scope]]]


class TypeRow(msgspec.Struct, frozen=True):
    """One subscribed type of a stream. `state` is SYNCED, STALE, NOT SENT or REJECTED; `nack` is Envoy's message."""

    type_url: str
    state: str
    synced: bool
    sent: str
    acked: str
    nack: str | None
    pushes: int
    wildcard: bool
    subscribed: int


class ScopeRow(msgspec.Struct, frozen=True):
    """The scope of a proxy: what of the proxy its configuration depends on. See Scope."""

    role: str
    namespace: str
    sidecar: str = ""
    domain: str = "cluster.local"
    labels: Labels = {}
    gateways: tuple[str, ...] = ()
    bind: str = ""
    unprivileged: bool = False
    intercepted: bool = False
    workload_labels: Labels = {}
    workload_address: str = ""
    identity: str = ""
    locality: Locality = Locality()
    locality_labels: Labels = {}
    policy_labels: Labels = {}
    client_certificate_gateway: str = ""
    secret_gateways: tuple[str, ...] = ()
    missing_features: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return the scope in a few words: `sidecar default version=v2`."""
        groups = (self.labels, self.locality_labels, self.policy_labels, self.workload_labels)
        labels = dict.fromkeys(f"{key}={value}" for group in groups for key, value in group.items())
        locality = "/".join(filter(None, msgspec.structs.astuple(self.locality)))
        flags = {"unprivileged": self.unprivileged, "intercepted": self.intercepted}
        words = (self.role, self.namespace, *labels, locality, *(name for name in flags if flags[name]), self.sidecar)
        return " ".join(filter(None, words))


class ProxyRow(msgspec.Struct, frozen=True):
    """One stream of a proxy. `sharing_scope` counts the proxies of its scope; `since` is RFC 3339.

    `types` are in push order, by their short names (CDS, LDS ...). `node` is what the proxy says of itself, and its
    identity: enough to render what it would be served. `problems` are what a router does not serve, and what its
    version of Envoy lacks.
    """

    id: str
    role: str
    name: str
    namespace: str
    identity: str
    scope: ScopeRow
    sharing_scope: int
    variant: str
    since: str
    age_seconds: float
    types: Mapping[str, TypeRow]
    node: Proxy
    problems: tuple[str, ...] = ()


def proxy_rows(
    streams: "Sequence[StreamStatus]",
    scopes: Sequence[Scope],
    now: float,
    findings_of: Callable[[Scope], Iterable[Finding]] = lambda _: (),
    paced: Paced = lambda pairs: pairs,
) -> list[ProxyRow]:
    """Return a row for each stream, by namespace and name. Scopes are in the streams' order; `now` is Unix time.

    `findings_of` returns the findings that depend on the proxies of a scope. `paced` may pause between streams: there
    may be thousands.
    """
    # A proxy may have several streams, and two versions of it may run while it is restarted.
    sharing = Counter(scope for _, scope in {(s.proxy.id, scope) for s, scope in zip(streams, scopes, strict=True)})
    rows = (
        msgspec.structs.replace(
            _row(stream, scope, sharing[scope], now), problems=_problems(stream.proxy, scope, findings_of(scope))
        )
        for stream, scope in paced(zip(streams, scopes, strict=True))
    )
    return sorted(rows, key=lambda row: (row.namespace, row.name, row.id, row.since))


def has_name(row: ProxyRow, name: str) -> bool:
    """Tell whether a proxy has a name: `sleep`, istioctl's `sleep.shop`, `shop/sleep`, or its node id."""
    return name in {row.name, f"{row.name}.{row.namespace}", f"{row.namespace}/{row.name}", row.id}


def proxy_versions(rows: Iterable[ProxyRow]) -> dict[str, int]:
    """Count connected proxies by Envoy's version. A proxy may have several streams."""
    return dict(sorted(Counter({row.id: row.node.envoy_version or _UNKNOWN_VERSION for row in rows}.values()).items()))


def table_cells(row: ProxyRow, *, wide: bool = False) -> tuple[tuple[str, ...], list[str]]:
    """Return a row's cells, one for each of COLUMNS, and a line for each type that the proxy rejects, and each problem.

    Wide cells add the accepted version of a type, and the version sent if it differs.
    """
    types = row.types
    states = (_state(types[name], wide=wide) if name in types else "-" for name in _TYPES)
    neighbours = f" (+{row.sharing_scope - 1})" if row.sharing_scope > 1 else ""
    cells = (
        f"{row.name}.{row.namespace}",
        row.node.envoy_version or "-",
        row.scope.summary() + neighbours,
        *states,
        _age(row.age_seconds),
    )
    nacks = [f"{name} rejected: {type_row.nack}" for name, type_row in types.items() if type_row.nack is not None]
    return tuple(map(one_line, cells)), list(map(one_line, (*nacks, *row.problems)))


def _problems(proxy: Proxy, scope: Scope, findings: Iterable[Finding]) -> tuple[str, ...]:
    about_objects = (f"{finding.path} of {finding.about}: {finding.message}" for finding in findings)
    of_version = version_findings(proxy.envoy_version, scope.missing_features)
    return (*about_objects, *(f"{finding.about}: {finding.message}" for finding in of_version))


def _row(stream: "StreamStatus", scope: Scope, sharing: int, now: float) -> ProxyRow:
    proxy = stream.proxy
    return ProxyRow(
        id=proxy.id,
        role=proxy.role,
        name=proxy.name,
        namespace=proxy.namespace,
        identity=proxy.identity,
        scope=_scope_row(scope),
        sharing_scope=sharing,
        variant=stream.variant,
        since=datetime.fromtimestamp(stream.since, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        age_seconds=round(max(0.0, now - stream.since), 3),
        types={
            resource_type(status.type_url).short or status.type_url: _type_row(status)
            for status in _in_push_order(stream.types)
        },
        node=proxy,
    )


def _scope_row(scope: Scope) -> ScopeRow:
    return ScopeRow(
        role=scope.role,
        namespace=scope.namespace,
        sidecar=str(scope.visibility.sidecar or ""),
        domain=scope.domain,
        labels=dict(scope.labels),
        gateways=tuple(f"{ref.namespace}/{ref.name}" for ref in scope.gateways),
        bind=scope.bind,
        unprivileged=scope.unprivileged,
        intercepted=scope.intercepted,
        workload_labels=dict(scope.workload_labels),
        workload_address=scope.workload_address,
        identity=scope.identity,
        locality=scope.locality,
        locality_labels=dict(scope.locality_labels),
        policy_labels=dict(scope.policy_labels),
        client_certificate_gateway=str(scope.client_certificate_gateway or ""),
        secret_gateways=tuple(f"{ref.namespace}/{ref.name}" for ref in scope.secret_gateways),
        missing_features=scope.missing_features,
    )


def _in_push_order(types: "Iterable[TypeStatus]") -> "list[TypeStatus]":
    places = {type_url: place for place, type_url in enumerate(PUSH_ORDER)}
    return sorted(types, key=lambda status: places.get(status.type_url, len(places)))


def _type_row(status: "TypeStatus") -> TypeRow:
    return TypeRow(
        type_url=status.type_url,
        state=status.state,
        synced=status.settled and status.nack is None,
        sent=status.sent,
        acked=status.acked,
        nack=status.nack,
        pushes=status.pushes,
        wildcard=status.wildcard,
        subscribed=status.subscribed,
    )


def _state(row: TypeRow, *, wide: bool) -> str:
    if not wide:
        return row.state
    sent, acked = (version[:_VERSION_DIGITS] or "none" for version in (row.sent, row.acked))
    return f"{row.state} {acked}" if sent == acked else f"{row.state} {acked} (sent {sent})"


def _age(seconds: float) -> str:
    """Return an age as kubectl would: `12s`, `5m`, `3h`, `2d`."""
    for unit, size in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"
