"""The names under which a client may call a service: the domains of its virtual host."""

from collections.abc import Iterable

from api.hosts import is_ip
from api.proxy import Scope


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
