"""TLSRoute, TCPRoute -> L4Route."""

from collections.abc import Iterator, Set

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import covering_pattern, fqdn, host_problem, is_ip, is_partial, is_range
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.matches import L4Match
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.routes import L4Route
from mirrorplane.api.units import PORTS
from mirrorplane.translators.istio.left_out import left_out
from mirrorplane.translators.istio.partial_server_names import partial_server_name
from mirrorplane.translators.istio.references import destination_findings, destination_of, gateway_name

VirtualService = Object[istio.VirtualService]
_MAX_EXAMPLES = 5


def stream_routes_of(obj: VirtualService) -> Iterator[L4Route]:
    """Return a route for each match of each rule; TLS rules first, since they match more specifically."""
    for field, rules in (("tls", obj.spec.tls), ("tcp", obj.spec.tcp)):
        for i, rule in enumerate(rules):
            path = f"spec.{field}[{i}]"
            destinations = tuple(_destinations(obj.ref, path, rule))
            for match in rule.match or (istio.StreamMatch(),):
                yield L4Route(_match(match, obj.ref.namespace), destinations, obj.ref, path)


def stream_route_findings(obj: VirtualService) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    for field, rules in (("tls", obj.spec.tls), ("tcp", obj.spec.tcp)):
        for i, rule in enumerate(rules):
            path = f"spec.{field}[{i}]"
            yield from _route_findings(obj.ref, path, rule)
            for j, match in enumerate(rule.match):
                yield from _match_findings(obj, f"{path}.match[{j}]", match, tls=field == "tls")
            if field == "tls" and not rule.match:
                yield Finding(obj.ref, "InvalidMatch", "TLS route must have at least one match condition", path)


def _match(spec: istio.StreamMatch, namespace: str) -> L4Match:
    return L4Match(
        # Envoy keeps the SNI of a connection in lower case.
        server_names=tuple(name.lower() for name in spec.sni_hosts),
        subnets=spec.destination_subnets,
        port=spec.port,
        source_labels=tuple(sorted(spec.source_labels.items())),
        source_namespace=spec.source_namespace,
        gateways=tuple(gateway_name(name, namespace) for name in spec.gateways),
    )


def _destinations(about: Ref, path: str, rule: istio.StreamRoute) -> Iterator[Destination]:
    for i, weighted in enumerate(rule.route):
        destination = destination_of(about, f"{path}.route[{i}].destination", weighted.destination)
        yield msgspec.structs.replace(destination, weight=weighted.weight)


def _route_findings(about: Ref, path: str, rule: istio.StreamRoute) -> Iterator[Finding]:
    if not rule.route:
        yield Finding(about, "NoDestination", "route must have at least one destination", f"{path}.route")
    if len(rule.route) > 1 and sum(weighted.weight for weighted in rule.route) <= 0:
        yield Finding(about, "InvalidWeight", "total destination weight = 0", f"{path}.route")
    for i, weighted in enumerate(rule.route):
        yield from destination_findings(about, f"{path}.route[{i}].destination", weighted.destination)
        if weighted.weight < 0:
            yield Finding(about, "InvalidWeight", f"weight {weighted.weight} < 0", f"{path}.route[{i}].weight")


def _match_findings(obj: VirtualService, path: str, match: istio.StreamMatch, *, tls: bool) -> Iterator[Finding]:
    if match.port and match.port not in PORTS:
        yield Finding(obj.ref, "InvalidPort", f"port {match.port} is not in 1..65535", f"{path}.port")
    for i, subnet in enumerate(match.destination_subnets):
        if not is_range(subnet):
            message = f"{subnet!r} is neither an IP address nor a CIDR range"
            yield Finding(obj.ref, "InvalidSubnet", message, f"{path}.destinationSubnets[{i}]")
    # Istio's schema has it, hidden from its documentation, and istiod never reads it. See decision 0146.
    yield from left_out(
        obj.ref, path, {"sourceSubnet": (match.source_subnet, "connections from all addresses match, in Istio too")}
    )
    if tls and not match.sni_hosts:
        yield Finding(obj.ref, "InvalidMatch", "TLS match must have at least one SNI host", f"{path}.sniHosts")
    if not tls and match.sni_hosts:
        message = "sniHosts is not supported in tcp rules"
        yield Finding(obj.ref, "InvalidMatch", message, f"{path}.sniHosts", fix="move the rule to spec.tls")
    hosts = {fqdn(host, obj.ref.namespace) for host in obj.spec.hosts}
    for i, name in enumerate(match.sni_hosts):
        if problem := _name_problem(name, hosts):
            yield Finding(obj.ref, "InvalidMatch", problem, f"{path}.sniHosts[{i}]")
        elif is_partial(name):
            yield partial_server_name(obj.ref, name, f"{path}.sniHosts[{i}]")
        elif is_ip(name):
            message = f"clients do not send IP addresses such as {name} as SNI (RFC 6066)"
            yield Finding(obj.ref, "NoEffect", message, f"{path}.sniHosts[{i}]", Severity.WARNING, "use a host name")


def _name_problem(name: str, hosts: Set[str]) -> str:
    """Return why an SNI host is invalid, or "". Istio: it must be one of the hosts, or a subdomain of one."""
    if problem := host_problem(name):
        return problem
    if not covering_pattern(hosts, name.lower()):
        examples = ", ".join([*sorted(hosts)[:_MAX_EXAMPLES], *(["..."] if len(hosts) > _MAX_EXAMPLES else [])])
        return f"SNI host {name!r} is not a compatible subset of any of the virtual service hosts: [{examples}]"
    return ""
