"""Istio VirtualService -> RouteTable."""

from collections.abc import Iterable, Iterator

from api.finding import Finding, Severity
from api.hosts import fqdn, host_problem
from api.kinds.istio import virtual_service as istio
from api.mesh import Lowered, MeshSettings
from api.meta import Object, Ref
from api.routes import Match, Route, RouteTable
from api.units import PORTS, milliseconds
from api.view import View
from translators.contract import Input
from translators.istio.matches import match_findings, match_of
from translators.istio.mirrors import destination, mirror_findings, mirrors_of
from translators.lookups import mesh
from translators.shards import places


def lower(view: View, obj: Object[istio.VirtualService]) -> Lowered:
    """Return the rules as routes, one for each match of each rule, in order (Istio: first match wins)."""
    spec, settings = obj.spec, mesh(view)
    table = RouteTable(
        ref=obj.ref,
        hosts=hosts_of(obj),
        routes=tuple(route for i, rule in enumerate(spec.http) for route in _routes(obj.ref, i, rule, settings)),
        gateways=spec.gateways or ("mesh",),
        export_to=spec.export_to or ("*",),
        created=obj.created,
    )
    findings = tuple(f for i, rule in enumerate(spec.http) for f in _unserved(obj.ref, f"spec.http[{i}]", rule))
    return Lowered(tables=(table,), findings=findings)


def validate(obj: Object[istio.VirtualService]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    spec = obj.spec
    if not spec.hosts:
        yield Finding(obj.ref, "NoHosts", "virtual service must have at least one host", "spec.hosts")
    for i, host in enumerate(spec.hosts):
        if problem := host_problem(host):
            yield Finding(obj.ref, "InvalidHost", problem, f"spec.hosts[{i}]")
    if "*" in spec.hosts and "mesh" in (spec.gateways or ("mesh",)):
        message = "wildcard host * is not allowed for virtual services bound to the mesh gateway"
        yield Finding(obj.ref, "WildcardHost", message, f"spec.hosts[{spec.hosts.index('*')}]")
    if not spec.http:
        yield Finding(obj.ref, "NoRules", "there are no http rules", "spec.http", Severity.WARNING)
    for i, rule in enumerate(spec.http):
        yield from _rule_findings(obj.ref, f"spec.http[{i}]", rule)


def hosts_of(obj: Object[istio.VirtualService]) -> tuple[str, ...]:
    """Return the hosts, completed."""
    return tuple(fqdn(host, obj.ref.namespace) for host in obj.spec.hosts)


def _has_source_labels(obj: Object[istio.VirtualService]) -> Iterable[str]:
    return ("*",) if any(m.source_labels for rule in obj.spec.http for m in rule.match) else ()


def _places(obj: Object[istio.VirtualService]) -> Iterable[str]:
    return places(obj.spec.export_to or ("*",), obj.ref.namespace, hosts_of(obj))


def _routes(about: Ref, index: int, rule: istio.HTTPRoute, settings: MeshSettings) -> Iterator[Route]:
    path = f"spec.http[{index}]"
    to = tuple(
        destination(about, f"{path}.route[{i}].destination", r.destination, r.weight) for i, r in enumerate(rule.route)
    )
    copies = mirrors_of(about, path, rule, settings)
    timeout = milliseconds(rule.timeout) if rule.timeout else 0
    matches = [(match_of(m), f".{m.name}" if m.name else "") for m in rule.match] or [(Match(), "")]
    for match, suffix in matches:
        yield Route(rule.name + suffix, match, to, copies, timeout, path)


def _rule_findings(about: Ref, path: str, rule: istio.HTTPRoute) -> Iterator[Finding]:
    if not (rule.route or _instead_of_route(rule)):
        message = "HTTP route, redirect or direct_response is required"
        yield Finding(about, "NoRoute", message, path, fix="add route with at least one destination")
    for field in _instead_of_route(rule) if rule.route else []:
        yield Finding(about, "InvalidRule", f"HTTP route cannot contain both route and {field}", f"{path}.{field}")
    if len(rule.route) > 1 and sum(r.weight for r in rule.route) <= 0:
        yield Finding(about, "InvalidWeight", "total destination weight = 0", f"{path}.route")
    places = [(f"{path}.route[{i}].destination", r.destination) for i, r in enumerate(rule.route)]
    places += [(f"{path}.mirror", rule.mirror)] if rule.mirror else []
    places += [(f"{path}.mirrors[{i}].destination", m.destination) for i, m in enumerate(rule.mirrors)]
    for where, to in places:
        yield from _destination_findings(about, where, to)
    for i, r in enumerate(rule.route):
        if r.weight < 0:
            yield Finding(about, "InvalidWeight", f"weight {r.weight} < 0", f"{path}.route[{i}].weight")
    for i, match in enumerate(rule.match):
        yield from match_findings(about, f"{path}.match[{i}]", match)
    yield from mirror_findings(about, path, rule)
    try:
        milliseconds(rule.timeout or "0s")
    except ValueError as error:
        yield Finding(about, "InvalidTimeout", str(error), f"{path}.timeout")


def _instead_of_route(rule: istio.HTTPRoute) -> list[str]:
    said = {"redirect": rule.redirect, "directResponse": rule.direct_response, "delegate": rule.delegate}
    return [field for field, value in said.items() if value is not None]


def _unserved(about: Ref, path: str, rule: istio.HTTPRoute) -> Iterator[Finding]:
    """Say which rules answer 500 because what they ask for is not served yet. The other rules are not affected."""
    for field in _instead_of_route(rule):
        message = f"{field} is not served yet: requests that match the rule are answered 500"
        yield Finding(about, "NotServedYet", message, f"{path}.{field}")


def _destination_findings(about: Ref, path: str, to: istio.Destination) -> Iterator[Finding]:
    if problem := host_problem(to.host) or ("invalid destination host *" if to.host == "*" else ""):
        yield Finding(about, "InvalidDestination", problem, f"{path}.host")
    if to.port is not None and to.port.number not in PORTS:
        yield Finding(about, "InvalidDestination", f"port {to.port.number} is not in 1..65535", f"{path}.port.number")
    if "|" in to.subset:
        yield Finding(about, "InvalidDestination", f"subset name is invalid: {to.subset!r}", f"{path}.subset")


INPUT = Input(
    kinds=(istio.VIRTUAL_SERVICE,),
    lower=lower,
    validate=validate,
    indexes={"routes": _places, "route.host": hosts_of, "route.source_labels": _has_source_labels},
)
