"""Which virtual host a request belongs to."""

from mirrorplane.translators import envoy

_ANY = "*"


def virtual_host(said: envoy.RouteConfiguration, authority: str) -> tuple[envoy.VirtualHost, str] | None:
    """Return the virtual host and the domain of it that matched, or None.

    Envoy: the exact name, then the longest wildcard at the beginning (`*.a.b`), then the longest at the end (`a.*`),
    then `*`. A wildcard stands for at least one character. Case does not count, nor the port if the configuration
    says so.
    """
    host = (without_port(authority) if said.ignore_port_in_host_matching else authority).lower()
    named = {domain.lower(): v for v in said.virtual_hosts for domain in v.domains}
    if host in named and host != _ANY:
        return named[host], host
    for fits in (_is_suffix, _is_prefix):
        found = [domain for domain in named if fits(domain, host)]
        if found:
            longest = max(found, key=len)
            return named[longest], longest
    return (named[_ANY], _ANY) if _ANY in named else None


def without_port(authority: str) -> str:
    """Return the name in an authority; what stands behind the last colon is a port only if it is a number."""
    name, colon, port = authority.rpartition(":")
    bracketed = not authority.startswith("[") or name.endswith("]")
    return name if colon and port.isdigit() and bracketed and _one_colon(name) else authority


def _one_colon(name: str) -> bool:
    return name.startswith("[") or ":" not in name


def _is_suffix(domain: str, host: str) -> bool:
    return domain != _ANY and domain.startswith(_ANY) and host.endswith(domain[1:]) and len(host) > len(domain) - 1


def _is_prefix(domain: str, host: str) -> bool:
    return domain != _ANY and domain.endswith(_ANY) and host.startswith(domain[:-1]) and len(host) > len(domain) - 1
