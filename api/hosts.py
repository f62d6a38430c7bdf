"""Host names: Istio's short-name rule, wildcards and their order, visibility by exportTo."""

import ipaddress
from collections.abc import Iterable


def is_ip(host: str) -> bool:
    """Tell whether the host is an IP address literal."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def fqdn(host: str, namespace: str, domain: str = "cluster.local") -> str:
    """Complete a short name with the namespace of the object that says it.

    Istio: a name without any dot is short; `*`, IP addresses and names with a dot are taken as they are, so
    `reviews.prod` is not completed.
    """
    host = host.lower()
    if not host or host == "*" or "." in host or ":" in host:
        return host
    return f"{host}.{namespace}.svc.{domain}"


def candidates(host: str) -> tuple[str, ...]:
    """Return every name an object can use to speak of `host`, most specific first: itself, `*.b.c`, `*.c`, `*`."""
    labels = host.split(".")
    if labels[0] == "*":
        labels = labels[1:]
        own: tuple[str, ...] = (host,)
    else:
        own = (host,)
    wild = tuple("*." + ".".join(labels[i:]) for i in range(1, len(labels)))
    return (*own, *(w for w in wild if w != host), *(("*",) if host != "*" else ()))


def covers(pattern: str, host: str) -> bool:
    """Tell whether a name or leading-`*` pattern covers a host. `*.foo.com` does not cover `foo.com`."""
    if pattern.startswith("*"):
        return host.endswith(pattern[1:]) and host != pattern[2:]
    return pattern == host


def exported(export_to: Iterable[str], owner: str, namespace: str) -> bool:
    """Tell whether an object of namespace `owner` is visible in `namespace` (Istio's exportTo)."""
    names = set(export_to)
    return "*" in names or namespace in names or ("." in names and owner == namespace)
