"""Istio VirtualService -> RouteTable."""

from bisect import insort
from collections.abc import Iterable, Iterator

import msgspec

from mirrorplane.api.actions import Answer, Destination, Redirect
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import covered_hosts, covering_pattern, fqdn, host_problem, is_partial
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.matches import Match
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.routes import Forward, Route, RouteTable
from mirrorplane.api.settings import MeshSettings
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.istio.actions import action_findings, answer_of, redirect_of, rewrite_findings, rewrite_of
from mirrorplane.translators.istio.annotations import annotation_findings
from mirrorplane.translators.istio.cors import cors_findings, cors_of
from mirrorplane.translators.istio.delegates import Rule, delegate_findings, rules_of
from mirrorplane.translators.istio.exports import export_findings
from mirrorplane.translators.istio.faults import fault_findings, fault_of
from mirrorplane.translators.istio.headers import header_findings, headers_of, host_of
from mirrorplane.translators.istio.l4_routes import stream_route_findings, stream_routes_of
from mirrorplane.translators.istio.matches import match_findings, match_of
from mirrorplane.translators.istio.mirrors import mirror_findings, mirrors_of
from mirrorplane.translators.istio.references import MESH, destination_findings, destination_of, gateway_name
from mirrorplane.translators.istio.regexes import regex_findings
from mirrorplane.translators.istio.retries import retries_of, retry_findings
from mirrorplane.translators.istio.scalars import duration_findings, optional_ms
from mirrorplane.translators.istio.unreachable_rules import unreachable_findings
from mirrorplane.translators.lookups.partial_wildcards import with_partial
from mirrorplane.translators.partitions import export_keys, namespace_keys, nested_keys
from mirrorplane.translators.settings import mesh


def lower(view: View, obj: Object[istio.VirtualService]) -> Lowered:
    """Return the rules as routes, one for each match of each rule, in order (Istio: first match wins).

    A delegate has no hosts, so its table routes nothing: it exists to be validated.
    """
    spec, settings = obj.spec, view.memo(mesh)
    table = RouteTable(
        ref=obj.ref,
        hosts=hosts_of(obj),
        routes=tuple(route for rule in rules_of(view, obj) for route in _routes(rule, settings)),
        l4_routes=tuple(stream_routes_of(obj)),
        gateways=gateways_of(obj),
        export_to=spec.export_to or settings.rules_export_to,
        created=obj.created,
    )
    return Lowered(tables=(table,), findings=tuple(delegate_findings(view, obj)))


def validate(obj: Object[istio.VirtualService]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    too_large = tuple(regex_findings(obj))
    # The checks below compile every regex.
    yield from too_large or _findings(obj)


def _findings(obj: Object[istio.VirtualService]) -> Iterator[Finding]:
    spec = obj.spec
    for i, host in enumerate(spec.hosts):
        if problem := host_problem(host):
            yield Finding(obj.ref, "InvalidHost", problem, f"spec.hosts[{i}]")
    if "*" in spec.hosts and MESH in gateways_of(obj):
        message = "wildcard host * is not allowed for virtual services bound to the mesh gateway"
        yield Finding(obj.ref, "WildcardHost", message, f"spec.hosts[{spec.hosts.index('*')}]")
    if not spec.hosts and spec.gateways:
        message = "virtual service must have at least one host (a delegate has none, and no gateways)"
        yield Finding(obj.ref, "NoHosts", message, "spec.hosts")
    if not (spec.http or spec.tls or spec.tcp):
        yield Finding(
            obj.ref,
            "NoRules",
            "the VirtualService has no http, tls or tcp rules and no effect",
            "spec.http",
            Severity.WARNING,
        )
    for field, rules in (("tls", spec.tls), ("tcp", spec.tcp)):
        if rules and not spec.hosts:
            message = f"delegate virtual service must have no {field} route"
            yield Finding(obj.ref, "InvalidDelegate", message, f"spec.{field}")
    yield from _overlap_findings(obj)
    yield from export_findings(obj.ref, spec.export_to)
    yield from annotation_findings(obj)
    yield from unreachable_findings(obj.ref, spec)
    for i, rule in enumerate(spec.http):
        yield from _rule_findings(obj, f"spec.http[{i}]", rule)
    yield from stream_route_findings(obj)


def hosts_of(obj: Object[istio.VirtualService]) -> tuple[str, ...]:
    """Return the completed hosts; at gateways partial wildcards also as they are written (decision 0145)."""
    completed = _completed_hosts(obj)
    written = tuple(host.lower() for host in obj.spec.hosts if is_partial(host) and "." not in host)
    at_gateways = bool(written) and any(name != MESH for name in gateways_of(obj))
    return (*completed, *written) if at_gateways else completed


def _completed_hosts(obj: Object[istio.VirtualService]) -> tuple[str, ...]:
    return tuple(fqdn(host, obj.ref.namespace) for host in obj.spec.hosts)


def gateways_of(obj: Object[istio.VirtualService]) -> tuple[str, ...]:
    """Return the gateways as `namespace/name`; `mesh` is all sidecars."""
    return tuple(gateway_name(name, obj.ref.namespace) for name in obj.spec.gateways) or (MESH,)


def _at_gateways(obj: Object[istio.VirtualService]) -> Iterator[str]:
    """Index the rules by gateway, alone and with each partition of their hosts."""
    for name in gateways_of(obj):
        if name != MESH:
            yield from nested_keys(name, hosts_of(obj), obj.ref)


def _hosts(obj: Object[istio.VirtualService]) -> Iterator[str]:
    return with_partial(hosts_of(obj))


def _hosts_at_gateways(obj: Object[istio.VirtualService]) -> Iterator[str]:
    names = tuple(with_partial(hosts_of(obj)))
    return (f"{gateway}|{name}" for gateway in gateways_of(obj) if gateway != MESH for name in names)


def _has_source_labels(obj: Object[istio.VirtualService]) -> Iterable[str]:
    spec = obj.spec
    labels = [match.source_labels for rule in spec.http for match in rule.match]
    labels += [match.source_labels for stream in (*spec.tls, *spec.tcp) for match in stream.match]
    return ("*",) if any(labels) else ()


def _places(obj: Object[istio.VirtualService]) -> Iterable[str]:
    return export_keys(obj.spec.export_to, obj.ref.namespace, hosts_of(obj))


def _owners(obj: Object[istio.VirtualService]) -> Iterable[str]:
    return namespace_keys(obj.ref.namespace, hosts_of(obj))


def _routes(rule: Rule, settings: MeshSettings) -> Iterator[Route]:
    spec = rule.spec
    base = Route(
        name=spec.name,
        match=Match(),
        action=_action(rule, settings),
        ref=rule.place.about,
        path=rule.place.path,
        headers=headers_of(spec.headers),
        fault=fault_of(spec.fault),
        cors=cors_of(spec.cors_policy),
    )
    if not spec.match:
        yield base
    for match in spec.match:
        # A named match of an unnamed rule begins with the dot, as in Istio.
        name = f"{spec.name}.{match.name}" if match.name else spec.name
        yield msgspec.structs.replace(base, name=name, match=match_of(match), stat_prefix=match.stat_prefix)


def _action(rule: Rule, settings: MeshSettings) -> Forward | Redirect | Answer:
    """Return the action: the first of redirect, direct response and route that is set (Istio)."""
    spec = rule.spec
    if spec.redirect is not None:
        return redirect_of(spec.redirect)
    if spec.direct_response is not None:
        return answer_of(spec.direct_response)
    return Forward(
        destinations=tuple(_destinations(rule)),
        mirrors=mirrors_of(rule, settings),
        timeout_ms=optional_ms(spec.timeout),
        retries=retries_of(spec.retries),
        rewrite=rewrite_of(spec),
    )


def _destinations(rule: Rule) -> Iterator[Destination]:
    for i, weighted in enumerate(rule.spec.route):
        path = f"{rule.place.path}.route[{i}].destination"
        yield msgspec.structs.replace(
            destination_of(rule.place.about, path, weighted.destination),
            weight=weighted.weight,
            headers=headers_of(weighted.headers),
            rewrite_host=host_of(weighted.headers),
        )


def _overlap_findings(obj: Object[istio.VirtualService]) -> Iterator[Finding]:
    earlier_hosts: set[str] = set()
    endings: list[str] = []
    for i, host in enumerate(_completed_hosts(obj)):
        covered = covered_hosts(host, endings) if host.startswith("*") else iter(())
        if earlier := covering_pattern(earlier_hosts, host) or next(covered, ""):
            message = f"duplicate hosts in virtual service: {earlier} & {host}"
            yield Finding(obj.ref, "DuplicateHost", message, f"spec.hosts[{i}]", fix="list each host once")
        earlier_hosts.add(host)
        insort(endings, host[::-1])


def _rule_findings(obj: Object[istio.VirtualService], path: str, rule: istio.HTTPRoute) -> Iterator[Finding]:
    about = obj.ref
    if rule.delegate is None:
        yield from action_findings(about, path, rule)
    else:
        yield from _root_findings(obj, path, rule)
    yield from _route_findings(about, path, rule)
    for i, match in enumerate(rule.match):
        yield from match_findings(about, f"{path}.match[{i}]", match)
    yield from mirror_findings(about, path, rule)
    yield from rewrite_findings(about, f"{path}.rewrite", rule)
    yield from header_findings(about, f"{path}.headers", rule.headers)
    yield from retry_findings(about, f"{path}.retries", rule.retries)
    yield from fault_findings(about, f"{path}.fault", rule.fault)
    yield from cors_findings(about, f"{path}.corsPolicy", rule.cors_policy)
    yield from duration_findings(about, path, {"timeout": rule.timeout})


def _root_findings(obj: Object[istio.VirtualService], path: str, rule: istio.HTTPRoute) -> Iterator[Finding]:
    """Refuse the fields that exclude a delegate, which decides where requests go."""
    if not obj.spec.hosts:
        message = "delegate HTTP route cannot contain delegate"
        yield Finding(obj.ref, "InvalidDelegate", message, f"{path}.delegate")
    for field, value in (("redirect", rule.redirect), ("route", rule.route)):
        if value:
            message = f"root HTTP route {rule.name} must not specify {field}"
            yield Finding(obj.ref, "InvalidDelegate", message, f"{path}.{field}")


def _route_findings(about: Ref, path: str, rule: istio.HTTPRoute) -> Iterator[Finding]:
    if len(rule.route) > 1 and sum(r.weight for r in rule.route) <= 0:
        yield Finding(about, "InvalidWeight", "total destination weight = 0", f"{path}.route")
    places = [(f"{path}.route[{i}].destination", r.destination) for i, r in enumerate(rule.route)]
    places += [(f"{path}.mirror", rule.mirror)] if rule.mirror else []
    places += [(f"{path}.mirrors[{i}].destination", m.destination) for i, m in enumerate(rule.mirrors)]
    for destination_path, destination in places:
        yield from destination_findings(about, destination_path, destination)
    for i, r in enumerate(rule.route):
        if r.weight < 0:
            yield Finding(about, "InvalidWeight", f"weight {r.weight} < 0", f"{path}.route[{i}].weight")
        yield from header_findings(about, f"{path}.route[{i}].headers", r.headers)


INPUT = Input(
    kinds=(istio.VIRTUAL_SERVICE,),
    lower=lower,
    validate=validate,
    indexes={
        "routes": _places,
        "routes.by_namespace": _owners,
        "route.host": _hosts,
        "route.source_labels": _has_source_labels,
        "gateway.routes": _at_gateways,
        "gateway.host": _hosts_at_gateways,
    },
)
