"""Hosts of an egress listener, `namespace/dnsName` -> HostSelector."""

from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import LONGEST_LABEL, host_problem, is_ip, literal
from mirrorplane.api.meta import Ref
from mirrorplane.api.sidecar_scope import HostPattern, HostSelector

_NONE, _ANY = "~", "*"
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def imported_of(hosts: Iterable[str]) -> HostSelector:
    """Return what is imported. `~` alone is no namespace, and imports nothing (Istio)."""
    return _set(_split(host) for host in hosts if not host.startswith(_NONE))


def excluded_of(hosts: Iterable[str]) -> HostSelector:
    """Return what is excluded again: `~namespace/dnsName`."""
    found = (host.removeprefix(_NONE) for host in hosts if host.startswith(_NONE))
    return _set(_split(host) for host in found if not host.startswith("/"))


def host_set_findings(about: Ref, path: str, hosts: tuple[str, ...]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and warn of what it warns of."""
    if not hosts:
        yield Finding(about, "NoHosts", "sidecar: egress listener must contain at least one host", path)
    seen: set[tuple[str, str]] = set()
    for i, host in enumerate(hosts):
        if problem := _problem(host):
            yield Finding(about, "InvalidHost", problem, f"{path}[{i}]")
            continue
        where, name = _split(host)
        said = about.namespace if where == HostSelector.OWN else where, name
        if said in seen:
            message = f"duplicated egress host: {host}"
            yield Finding(about, "SuperfluousHosts", message, f"{path}[{i}]", Severity.WARNING)
        seen.add(said)
    yield from _superfluous(about, path, seen)


def _superfluous(about: Ref, path: str, said: set[tuple[str, str]]) -> Iterator[Finding]:
    """Warn of hosts beside one that has them all."""
    others = {(where, host) for where, host in said if not where.startswith(_NONE)}
    for where in sorted({where for where, host in others if host == _ANY}):
        beside = others if where == _ANY else {each for each in others if each[0] == where}
        if len(beside) > 1:
            message = f"`{where}/*` host select all resources, no other hosts can be added"
            yield Finding(about, "SuperfluousHosts", message, path, Severity.WARNING, "leave the others out")


def _problem(host: str) -> str:
    where, slash, name = host.partition("/")
    if not slash:
        return f"host must be of form namespace/dnsName: {host!r} has no slash"
    if not where or not name:
        return f"config namespace and dnsName in host entry cannot be empty: {host!r}"
    if where != _NONE and not _is_namespace(where.removeprefix(_NONE)):
        return f"invalid namespace value {where!r} in sidecar"
    if name != _ANY and "." not in name and not is_ip(name):
        return f"short names (non FQDN) are not allowed: {name!r}"
    return host_problem(name)


def _is_namespace(name: str) -> bool:
    """Tell whether it is a DNS label, or says the own namespace or any, of which a part can be excluded too."""
    if name in {HostSelector.OWN, HostSelector.ANY}:
        return True
    return 0 < len(name) <= LONGEST_LABEL and set(name) <= _LETTERS and name[0] != "-" and name[-1] != "-"


def _split(host: str) -> tuple[str, str]:
    where, _, name = host.partition("/")
    return where, literal(name)


def _set(said: Iterable[tuple[str, str]]) -> HostSelector:
    exact: dict[str, frozenset[str]] = {}
    wide = []
    for where, host in said:
        if host.startswith("*"):
            wide.append(HostPattern(where, host))
        else:
            exact[host] = exact.get(host, frozenset()) | {where}
    return HostSelector(exact, tuple(dict.fromkeys(wide)))
