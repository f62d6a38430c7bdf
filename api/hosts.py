"""Host names: validation, Istio's short names, wildcards and their order, visibility by exportTo."""

import ipaddress
import string
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence, Set

UNIX = "unix://"
"""The prefix of the address of a Unix socket, before its path or the `@name` of an abstract one."""
# RFC 1035, section 2.3.4.
LONGEST_NAME, LONGEST_LABEL = 255, 63
_LETTERS = frozenset(string.ascii_lowercase + string.digits + "-_")


def host_problem(host: str) -> str:
    """Return why a name cannot be a host, or "".

    Istio allows DNS names, also with a dot at the end, IP addresses, `*`, and `*.`, `*-` or `*` before a name
    (`ValidateWildcardDomain` and `wildcardPrefix` in pkg/config/validation/agent and pkg/config/labels).
    """
    if host == "*" or is_ip(host):
        return ""
    name = host.removesuffix(".").lower()
    if name.startswith("*"):
        name = name[2:] if name[1:2] in {".", "-"} else name[1:]
    if not name or len(name) > LONGEST_NAME:
        return f"{host!r} is not a valid host: it must have 1 to {LONGEST_NAME} characters"
    if "*" in name:
        return f"{host!r} is not a valid host: only the first character can be a wildcard, as in *.example.com"
    for label in name.split("."):
        if not label or len(label) > LONGEST_LABEL or label[0] == "-" or label[-1] == "-" or not set(label) <= _LETTERS:
            return f"{host!r} is not a valid host: {label!r} is not a DNS label"
    return ""


def is_ip(host: str) -> bool:
    """Tell whether the host is an IP address literal, without an IPv6 zone (`%eth0`), which is local to a machine."""
    if not (host[-1:].isdigit() or ":" in host):
        return False  # nearly all hosts are names, which end in a letter: this spares the parsing
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def is_range(text: str) -> bool:
    """Tell whether the text is an IP address or a CIDR range."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "%" not in text


def is_unix(address: str) -> bool:
    """Tell whether an address is a Unix socket's."""
    return address.startswith(UNIX)


def collapsed(address: str) -> str:
    """Return an address or a CIDR range in its shortest form, for comparisons: IPv6 has many forms of each.

    A range of one address becomes that address.
    """
    if "/" not in address:
        return str(ipaddress.ip_address(address)) if ":" in address else address
    network = ipaddress.ip_network(address, strict=False)
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def literal(host: str) -> str:
    """Return a host for comparisons: in lower case, without the dot at the end of a complete name."""
    return host.lower().removesuffix(".")


def fqdn(host: str, namespace: str, domain: str = "cluster.local") -> str:
    """Complete a short name with the namespace of the object that refers to it.

    Istio: a name without a dot is short; `*`, IP addresses and names with a dot are left unchanged, so `reviews.prod`
    is not completed.
    """
    if not host or host == "*" or "." in host or ":" in host:
        return literal(host)
    host = host.lower()
    return f"{host}.{namespace}.svc.{domain}"


def is_partial(host: str) -> bool:
    """Tell whether a host is a partial wildcard, whose first label is more than `*`: `*-shadow`, `*foo.com`."""
    return host.startswith("*") and host[1:2] not in {"", "."}


def candidates(host: str, partial: Set[str] = frozenset()) -> tuple[str, ...]:
    """Return every name that covers `host`, most specific first: itself, `*.b.c`, `*.c`, `*`.

    `partial` are the partial wildcards that exist; those that cover the host are included. Istio: the longer of two
    wildcards is the more specific (pkg/config/host/names.go).
    """
    labels = host.split(".")
    # A wildcard covers itself, and that entry must come once: first.
    if labels[0] == "*":
        labels = labels[1:]
    wildcards = ("*." + ".".join(labels[i:]) for i in range(1, len(labels)))
    names = (host, *(wildcard for wildcard in wildcards if wildcard != host), *(("*",) if host != "*" else ()))
    covering = {wildcard for wildcard in _wildcards_over(host) if wildcard in partial} - {host} if partial else ()
    return names if not covering else (host, *sorted({*names[1:], *covering}, key=lambda name: (-len(name), name)))


def covers(pattern: str, host: str) -> bool:
    """Tell whether a name or a wildcard covers a host or another wildcard as a whole.

    Istio (`SubsetOf` in pkg/config/host/name.go): `*` stands for any characters, so `*.foo.com` does not cover
    `foo.com`, and `*foo.com` does.
    """
    return host.endswith(pattern[1:]) if pattern.startswith("*") else pattern == host


def covering_pattern(patterns: Set[str], host: str) -> str:
    """Return one of some names and wildcards that covers a host, or "". Costs the length of the host."""
    if host in patterns:
        return host
    return next((wildcard for wildcard in _wildcards_over(host) if wildcard in patterns), "")


def by_ending(hosts: Iterable[str]) -> list[str]:
    """Return names spelled backwards, and sorted: those with a common ending are side by side, for `covered_hosts`."""
    return sorted(host[::-1] for host in hosts)


def covered_hosts(wildcard: str, endings: Sequence[str]) -> Iterator[str]:
    """Yield the hosts that a wildcard covers, of those that `by_ending` returned. Costs what it yields."""
    ending = wildcard[:0:-1]
    for i in range(bisect_left(endings, ending), len(endings)):
        if not endings[i].startswith(ending):
            return
        yield endings[i][::-1]


def _wildcards_over(host: str) -> Iterator[str]:
    return (f"*{host[i:]}" for i in range(len(host) + 1))


def exported(export_to: Iterable[str], owner: str, namespace: str) -> bool:
    """Tell whether an object of namespace `owner` is visible in `namespace` (Istio's exportTo)."""
    names = set(export_to)
    return "*" in names or namespace in names or ("." in names and owner == namespace)
