"""The names under which a client may call a service: the domains of its virtual host."""

from collections.abc import Iterable

from mirrorplane.api.hosts import is_ip
from mirrorplane.api.proxy import Scope


def domains(host: str, addresses: Iterable[str], scope: Scope) -> tuple[str, ...]:
    """Return the host, its absolute form, its Kubernetes short forms and its addresses, as Istio orders them.

    A bare `name` is only for clients of the service's own namespace; others say `name.namespace`.
    """
    absolute = () if is_ip(host) or host.startswith("*") else (f"{host}.",)
    plain = [a for a in addresses if "/" not in a and a != "0.0.0.0"]  # noqa: S104 - an address to leave out
    shown = (f"[{a}]".lower() if ":" in a else a for a in plain)
    return tuple(dict.fromkeys((host, *absolute, *_short(host, scope), *shown)))


def with_port(names: Iterable[str], port: int, default: int = 80) -> tuple[str, ...]:
    """Return the names as an HTTP proxy's client says them: with the port, and without it on the default port."""
    both = [(name, f"{name}:{port}") if port == default else (f"{name}:{port}",) for name in names]
    return tuple(name for pair in both for name in pair)


def distinct(claims: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Give a domain that two virtual hosts claim to one of them, and return those that lose some, with what is left.

    Claims are the names of virtual hosts (`host:port`) with their domains. A real name goes before another's short
    form: `a.b` is the service of that name, not `a` in namespace `b`. Otherwise the first by name has it.
    """
    hosts = list(claims)
    if len(set().union(*(said for _, said in hosts))) == sum(len(said) for _, said in hosts):
        return ()
    hosts.sort()
    taken = {domain: name for name, said in reversed(hosts) for domain in said if _is_own(domain, name)}
    left = ((name, said, tuple(d for d in said if taken.setdefault(d, name) == name)) for name, said in hosts)
    return tuple((name, kept) for name, said, kept in left if len(kept) < len(said))


def _is_own(domain: str, virtual_host: str) -> bool:
    """Tell whether a domain is the real name of a virtual host, whose name is that with the port."""
    return domain.removesuffix(".") == virtual_host.rpartition(":")[0]


def _short(host: str, scope: Scope) -> tuple[str, ...]:
    suffix = f".svc.{scope.domain}"
    if not host.endswith(suffix):
        return ()
    name, _, namespace = host.removesuffix(suffix).rpartition(".")
    if not name:
        return ()
    if namespace == scope.namespace:
        return (name, f"{name}.{namespace}.svc", f"{name}.{namespace}")
    return (f"{name}.{namespace}", f"{name}.{namespace}.svc")
