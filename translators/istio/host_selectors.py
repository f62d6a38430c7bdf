"""Hosts of an egress listener, `namespace/dnsName` -> HostSelector."""

from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import LONGEST_LABEL, host_problem, is_ip, literal
from mirrorplane.api.meta import Ref
from mirrorplane.api.sidecar_scope import HostPattern, HostSelector

_NONE, _ANY = "~", "*"
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def imported_hosts(hosts: Iterable[str]) -> HostSelector:
    """Return the imported hosts. `~/*` imports nothing (Istio)."""
    return _set(_split(host) for host in hosts if not host.startswith(_NONE))


def excluded_hosts(hosts: Iterable[str]) -> HostSelector:
    """Return the hosts that are excluded from the imports: `~namespace/dnsName`."""
    excluded = (host.removeprefix(_NONE) for host in hosts if host.startswith(_NONE))
    # `~/*` has no namespace: it imports nothing, and excludes nothing either.
    return _set(_split(host) for host in excluded if not host.startswith("/"))


def host_selector_findings(about: Ref, path: str, hosts: tuple[str, ...]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, with its warnings."""
    if not hosts:
        yield Finding(about, "NoHosts", "sidecar: egress listener must contain at least one host", path)
    seen_selectors: set[tuple[str, str]] = set()
    for i, host in enumerate(hosts):
        if problem := _problem(host):
            yield Finding(about, "InvalidHost", problem, f"{path}[{i}]")
            continue
        namespace, name = _split(host)
        selector = about.namespace if namespace == HostSelector.OWN else namespace, name
        if selector in seen_selectors:
            message = f"duplicated egress host: {host}"
            yield Finding(about, "SuperfluousHosts", message, f"{path}[{i}]", Severity.WARNING)
        seen_selectors.add(selector)
    yield from _superfluous(about, path, seen_selectors)


def _superfluous(about: Ref, path: str, selectors: set[tuple[str, str]]) -> Iterator[Finding]:
    """Warn of hosts that `namespace/*` includes already."""
    imported = {(namespace, host) for namespace, host in selectors if not namespace.startswith(_NONE)}
    for namespace in sorted({namespace for namespace, host in imported if host == _ANY}):
        beside = imported if namespace == _ANY else {selector for selector in imported if selector[0] == namespace}
        if len(beside) > 1:
            message = f"`{namespace}/*` host select all resources, no other hosts can be added"
            yield Finding(about, "SuperfluousHosts", message, path, Severity.WARNING, "remove the other hosts")


def _problem(host: str) -> str:
    namespace, slash, name = host.partition("/")
    if not slash:
        return f"host must be of form namespace/dnsName: {host!r} has no slash"
    if not namespace or not name:
        return f"config namespace and dnsName in host entry cannot be empty: {host!r}"
    if namespace != _NONE and not _is_namespace(namespace.removeprefix(_NONE)):
        return f"invalid namespace value {namespace!r} in sidecar"
    if name != _ANY and "." not in name and not is_ip(name):
        return f"short names (non FQDN) are not allowed: {name!r}"
    return host_problem(name)


def _is_namespace(name: str) -> bool:
    """Tell whether a namespace is a DNS label, `.` or `*`."""
    if name in {HostSelector.OWN, HostSelector.ANY}:
        return True
    return 0 < len(name) <= LONGEST_LABEL and set(name) <= _LETTERS and name[0] != "-" and name[-1] != "-"


def _split(host: str) -> tuple[str, str]:
    namespace, _, name = host.partition("/")
    return namespace, literal(name)


def _set(pairs: Iterable[tuple[str, str]]) -> HostSelector:
    exact: dict[str, frozenset[str]] = {}
    patterns = []
    for namespace, host in pairs:
        if host.startswith("*"):
            patterns.append(HostPattern(namespace, host))
        else:
            exact[host] = exact.get(host, frozenset()) | {namespace}
    return HostSelector(exact, tuple(dict.fromkeys(patterns)))
