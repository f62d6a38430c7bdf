"""Which virtual host of a route configuration a request belongs to."""

from mirrorplane.translators import envoy

_ANY = "*"


def find_virtual_host(configuration: envoy.RouteConfiguration, authority: str) -> tuple[envoy.VirtualHost, str] | None:
    """Return the virtual host and the domain of it that matched, or None.

    Envoy: the exact domain, then the longest suffix wildcard (`*.a.b`), then the longest prefix wildcard (`a.*`), then
    `*`. A wildcard stands for at least one character. Case is ignored, and so is the port if the configuration says so.
    """
    host = (without_port(authority) if configuration.ignore_port_in_host_matching else authority).lower()
    by_domain = {domain.lower(): v for v in configuration.virtual_hosts for domain in v.domains}
    if host in by_domain and host != _ANY:
        return by_domain[host], host
    for covers in (_is_suffix, _is_prefix):
        matching = [domain for domain in by_domain if covers(domain, host)]
        if matching:
            longest = max(matching, key=len)
            return by_domain[longest], longest
    return (by_domain[_ANY], _ANY) if _ANY in by_domain else None


def without_port(authority: str) -> str:
    """Return the host of an authority; the part after the last colon is a port only if it is a number."""
    name, colon, port = authority.rpartition(":")
    bracketed = not authority.startswith("[") or name.endswith("]")
    return name if colon and port.isdigit() and bracketed and _one_colon(name) else authority


def _one_colon(name: str) -> bool:
    return name.startswith("[") or ":" not in name


def _is_suffix(domain: str, host: str) -> bool:
    return domain != _ANY and domain.startswith(_ANY) and host.endswith(domain[1:]) and len(host) > len(domain) - 1


def _is_prefix(domain: str, host: str) -> bool:
    return domain != _ANY and domain.endswith(_ANY) and host.startswith(domain[:-1]) and len(host) > len(domain) - 1
