"""The domains of a service's virtual host: the names by which clients may call it."""

from collections.abc import Iterable

from mirrorplane.api.hosts import is_ip
from mirrorplane.api.proxy import Scope


def domains(host: str, addresses: Iterable[str], scope: Scope) -> tuple[str, ...]:
    """Return the host, its absolute form, its Kubernetes short forms and its addresses, in Istio's order.

    A bare `name` is only for clients in the service's own namespace; others call `name.namespace`.
    """
    # Clients that resolve `web.shop.svc.cluster.local.` send the dot in Host too.
    absolute = () if is_ip(host) or host.startswith("*") else (f"{host}.",)
    # A ServiceEntry may have CIDR ranges, which no Host names; 0.0.0.0 is Istio's "no address".
    single = [a for a in addresses if "/" not in a and a != "0.0.0.0"]  # noqa: S104 - an address to leave out
    # In Host an IPv6 address has brackets (RFC 3986, section 3.2.2).
    literals = (f"[{a}]".lower() if ":" in a else a for a in single)
    return tuple(dict.fromkeys((host, *absolute, *_short_forms(host, scope), *literals)))


def with_port(names: Iterable[str], port: int, default: int = 80) -> tuple[str, ...]:
    """Return the names as an HTTP proxy's client sends them: with the port, and without it on the default port."""
    pairs = [(name, f"{name}:{port}") if port == default else (f"{name}:{port}",) for name in names]
    return tuple(name for pair in pairs for name in pair)


def distinct(claims: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Give each domain to one virtual host, and return the virtual hosts that lose some, with what they keep.

    Envoy rejects a configuration in which two virtual hosts have the same domain. Claims are the names of virtual hosts
    (`host:port`) with their domains. A real name takes precedence over a short form: `a.b` is the service of that name,
    not `a` in namespace `b`. Otherwise the first by name has it.
    """
    hosts = list(claims)
    # Nearly always no two meet: counting them costs less than the sort below.
    if len(set().union(*(claimed for _, claimed in hosts))) == sum(len(claimed) for _, claimed in hosts):
        return ()
    hosts.sort()
    # Reversed, so that of several the first by name is written last.
    owners = {domain: name for name, claimed in reversed(hosts) for domain in claimed if _is_real_name(domain, name)}
    remaining = (
        (name, claimed, tuple(d for d in claimed if owners.setdefault(d, name) == name)) for name, claimed in hosts
    )
    return tuple((name, domains) for name, claimed, domains in remaining if len(domains) < len(claimed))


def _is_real_name(domain: str, virtual_host: str) -> bool:
    """Tell whether a domain is the host of a virtual host, whose name is `host:port`."""
    return domain.removesuffix(".") == virtual_host.rpartition(":")[0]


def _short_forms(host: str, scope: Scope) -> tuple[str, ...]:
    suffix = f".svc.{scope.domain}"
    if not host.endswith(suffix):
        return ()
    name, _, namespace = host.removesuffix(suffix).rpartition(".")
    if not name:
        return ()
    if namespace == scope.namespace:
        return (name, f"{name}.{namespace}.svc", f"{name}.{namespace}")
    return (f"{name}.{namespace}", f"{name}.{namespace}.svc")
