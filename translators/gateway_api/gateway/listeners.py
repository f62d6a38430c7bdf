"""The listeners of a Gateway, and of the ListenerSets that join it: which are served, and why others are not.

See decision 0085.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import EVERYWHERE, Termination, includes
from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api import gateway as gw
from mirrorplane.api.kinds.gateway_api.listener_set import ListenerSet
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.gateway import namespace_selectors
from mirrorplane.translators.gateway_api.gateway.certificates import certificate_findings
from mirrorplane.translators.gateway_api.gateway.classes import class_profile, is_adopted
from mirrorplane.translators.gateway_api.gateway.frontend_tls import NO_VALID_CA, client_ca_findings, termination_of
from mirrorplane.translators.gateway_api.gateway.overlaps import overlap_findings
from mirrorplane.translators.gateway_api.gateway.protocols import (
    RouteKind,
    conflict_reason,
    protocols,
    route_kinds,
    terminates_tls,
)
from mirrorplane.translators.gateway_api.references import group_name
from mirrorplane.translators.routers.servers import joined_key

_OTHER_PLACES = {"HostnameConflict": "use another hostname or port", "ProtocolConflict": "use another port"}
Gateway = Object[gw.Gateway]
Set = Object[ListenerSet]


class Listener(msgspec.Struct, frozen=True):
    """A listener, the Gateway or ListenerSet that declares it, and its field there."""

    parent: Ref
    path: str
    spec: gw.Listener

    @property
    def host(self) -> str:
        """The host or wildcard that it serves."""
        return self.spec.hostname or EVERYWHERE

    @property
    def uses_tls(self) -> bool:
        """Whether clients connect to it by TLS."""
        return self.spec.protocol in {"HTTPS", "TLS"}

    @property
    def terminates_tls(self) -> bool:
        """Whether it terminates their TLS."""
        return terminates_tls(self.spec)


class ListenerVerdict(msgspec.Struct, frozen=True):
    """Whether a listener is served.

    Routes of `kinds` may attach to it. It is not `accepted` when it conflicts or needs what is not supported; not
    `served` when it is not accepted, or a reference cannot be resolved. `termination` is how it terminates TLS.
    `closed`: it cannot terminate TLS, so it accepts no client, and yet keeps its hosts from other listeners.
    """

    listener: Listener
    kinds: tuple[RouteKind, ...]
    findings: tuple[Finding, ...]
    accepted: bool
    served: bool
    termination: Termination | None = None
    closed: bool = False


def listener_verdicts(view: View, gateway: Ref) -> tuple[ListenerVerdict, ...]:
    """Return the verdicts on all listeners of a Gateway, its own first; none for another controller's class.

    Gateway API: of its own listeners that conflict none is served; of those of ListenerSets the first is, by age.
    """
    obj: Gateway | None = view.get(gateway)
    if obj is None or class_profile(view, obj.spec.gateway_class_name) is None:
        return ()
    void = any(gateway_findings(view, obj))
    listeners = listeners_of(obj)
    verdicts = [
        _verdict(view, obj, listener, tuple(_conflicts(listener, listeners)), void=void) for listener in listeners
    ]
    for listener_set in listener_sets_of(view, obj):
        for listener in listeners_of(listener_set):
            earlier = [verdict.listener for verdict in verdicts if verdict.accepted]
            # Compared with accepted ones only: a listener that lost its place must not deny it to others.
            verdicts.append(_verdict(view, obj, listener, tuple(_preceded(listener, earlier))[:1], void=void))
    return tuple(_with_overlaps(view, verdicts))


def verdicts_for(view: View, gateway: Ref, parent: Ref) -> tuple[ListenerVerdict, ...]:
    """Return what the routes of one parent depend on: its own listeners, and those that take hosts from them.

    Gateway API: the most specific listener of a port has a host to itself. Any other listener of the Gateway is left
    out, so that adding one does not invalidate the routes of all.
    """
    verdicts: tuple[ListenerVerdict, ...] = view.memo(_by_parent, gateway).get(parent, ())
    listeners = [verdict.listener for verdict in verdicts]
    wildcards = [listener for listener in listeners if listener.host.startswith(EVERYWHERE)]
    if not wildcards:
        return verdicts
    rivals = (
        verdict
        for verdict in view.memo(listener_verdicts, gateway)
        if verdict.listener.parent != parent
        and verdict.accepted
        and any(is_more_specific(verdict.listener, wildcard) for wildcard in wildcards)
    )
    return (*verdicts, *rivals)


def is_more_specific(listener: Listener, rival: Listener) -> bool:
    """Tell whether a listener takes hosts from another of its port."""
    return listener.spec.port == rival.spec.port and listener.host != rival.host and includes(rival.host, listener.host)


def listeners_of(obj: Gateway | Set) -> tuple[Listener, ...]:
    """Return the listeners that an object declares."""
    return tuple(Listener(obj.ref, f"spec.listeners[{i}]", spec) for i, spec in enumerate(obj.spec.listeners))


def listener_sets_of(view: View, obj: Gateway) -> tuple[Set, ...]:
    """Return the ListenerSets that join a Gateway, oldest first."""
    candidates: tuple[Set, ...] = view.by("gateway.joined", joined_key(obj.ref))
    joining = (candidate for candidate in candidates if allows_listener_sets(view, obj, candidate.ref.namespace))
    return tuple(sorted(joining, key=_age))


def _age(obj: Set) -> tuple[str, str]:
    return obj.created, f"{obj.ref.namespace}/{obj.ref.name}"


def joined_gateway(obj: Set) -> Ref | None:
    """Return the Gateway that a ListenerSet refers to; None for a parent of another kind."""
    ref = obj.spec.parent_ref
    if (ref.group, ref.kind) != (GROUP, "Gateway"):
        return None
    return Ref(gw.GATEWAY.key, ref.namespace or obj.ref.namespace, ref.name)


def allows_listener_sets(view: View, obj: Gateway, namespace: str) -> bool:
    """Tell whether ListenerSets of a namespace may join a Gateway."""
    allowed = obj.spec.allowed_listeners.namespaces
    return namespace_selectors.allows(view, (allowed.from_, allowed.selector), obj.ref.namespace, namespace)


def allows_routes(view: View, verdict: ListenerVerdict, kind: RouteKind, namespace: str) -> bool:
    """Tell whether routes of a kind and a namespace may attach to a listener. `Same` is its parent's namespace."""
    allowed = verdict.listener.spec.allowed_routes.namespaces
    selection = (allowed.from_, allowed.selector)
    parent_namespace = verdict.listener.parent.namespace
    return kind in verdict.kinds and namespace_selectors.allows(view, selection, parent_namespace, namespace)


def gateway_findings(view: View, obj: Gateway) -> Iterator[Finding]:
    """Report why a Gateway as a whole is not served."""
    for i, address in enumerate(obj.spec.addresses):
        if address.type != "IPAddress":
            message = f"address type {address.type} is not supported; the Gateway is not served"
            path = f"spec.addresses[{i}].type"
            yield Finding(obj.ref, "UnsupportedAddress", message, path, fix="use IPAddress")
    ref = obj.spec.infrastructure.parameters_ref
    if ref is not None and not is_adopted(view, obj.spec.gateway_class_name):
        message = (
            f"{ref.kind} {ref.name} of {group_name(ref.group)} is not supported as parameters of a Gateway, so it is"
            " not served"
        )
        path, fix = "spec.infrastructure.parametersRef", "remove it, and set spec.parametersRef of the GatewayClass"
        yield Finding(obj.ref, "InvalidParameters", message, path, fix=fix)


def parameters_findings(view: View, obj: Gateway) -> Iterator[Finding]:
    """Warn of parameters of another product, which describe the proxies that it deploys. See decision 0134."""
    ref = obj.spec.infrastructure.parameters_ref
    profile = class_profile(view, obj.spec.gateway_class_name)
    if ref is not None and profile is not None and is_adopted(view, obj.spec.gateway_class_name):
        message = (
            f"{ref.kind} {ref.name} has no effect: it configures the proxies that {profile.controller} deploys, and"
            " Mirrorplane deploys none"
        )
        path, fix = "spec.infrastructure.parametersRef", "remove it when the Gateway is Mirrorplane's alone"
        yield Finding(obj.ref, "FieldUnused", message, path, Severity.WARNING, fix)


def _by_parent(view: View, gateway: Ref) -> Mapping[Ref, tuple[ListenerVerdict, ...]]:
    by_parent: dict[Ref, list[ListenerVerdict]] = {}
    for verdict in view.memo(listener_verdicts, gateway):
        by_parent.setdefault(verdict.listener.parent, []).append(verdict)
    return {parent: tuple(verdicts) for parent, verdicts in by_parent.items()}


def _verdict(
    view: View, obj: Gateway, listener: Listener, conflicts: tuple[Finding, ...], *, void: bool
) -> ListenerVerdict:
    refused = (*_protocol_findings(listener), *conflicts)
    unresolved = () if refused else tuple(_certificate_findings(view, listener))
    client_cas = client_ca_findings(view, obj, listener.parent, listener.path, listener.spec)
    clients = () if refused else tuple(client_cas)
    kinds, kind_findings = _route_kinds(listener)
    unverified = any(finding.reason == NO_VALID_CA for finding in clients)
    # An unusable certificate leaves it accepted: ResolvedRefs says what is wrong (decision 0085).
    accepted = not (refused or unverified)
    return ListenerVerdict(
        listener=listener,
        kinds=kinds,
        findings=(*refused, *unresolved, *clients, *kind_findings),
        accepted=accepted,
        served=accepted and not (unresolved or void),
        termination=termination_of(view, obj, listener.parent, listener.spec),
        closed=listener.terminates_tls and not (refused or void) and (unverified or bool(unresolved)),
    )


def _with_overlaps(view: View, verdicts: list[ListenerVerdict]) -> Iterator[ListenerVerdict]:
    """Yield the verdicts, with warnings about listeners that share a connection's certificate with others."""
    accepted = {
        _place(verdict.listener): (verdict.listener.spec, verdict.termination)
        for verdict in verdicts
        if verdict.accepted
    }
    warnings = overlap_findings(view, accepted)
    for verdict in verdicts:
        findings = warnings.get(_place(verdict.listener), ())
        yield msgspec.structs.replace(verdict, findings=(*verdict.findings, *findings)) if findings else verdict


def _place(listener: Listener) -> tuple[Ref, str]:
    return listener.parent, listener.path


def _route_kinds(listener: Listener) -> tuple[tuple[RouteKind, ...], tuple[Finding, ...]]:
    """Return the kinds of routes that may attach to a listener, and findings about those in its allowedRoutes."""
    supported, listed = route_kinds(listener.spec), listener.spec.allowed_routes.kinds
    if not listed or not supported:
        return supported, ()
    findings = tuple(
        Finding(
            listener.parent,
            "InvalidRouteKinds",
            f"{kind.kind} of {group_name(kind.group)} cannot attach to a listener of protocol {listener.spec.protocol}",
            f"{listener.path}.allowedRoutes.kinds[{i}]",
            fix=f"allow {' or '.join(name for _, name in supported)}",
        )
        for i, kind in enumerate(listed)
        if (kind.group, kind.kind) not in supported
    )
    kinds = dict.fromkeys((kind.group, kind.kind) for kind in listed)
    return tuple(kind for kind in kinds if kind in supported), findings


def _protocol_findings(listener: Listener) -> Iterator[Finding]:
    protocol = listener.spec.protocol
    if protocol not in protocols():
        message = f"protocol {protocol} is not supported; the listener is not served"
        fix = f"use {', '.join(protocols())}"
        yield Finding(listener.parent, "UnsupportedProtocol", message, f"{listener.path}.protocol", fix=fix)


def _conflicts(listener: Listener, listeners: Iterable[Listener]) -> Iterator[Finding]:
    """Report listeners of the same Gateway that conflict with this one: none of them is served."""
    rivals = [rival for rival in listeners if rival is not listener and conflict_reason(listener.spec, rival.spec)]
    if rivals:
        names = ", ".join(sorted(rival.spec.name for rival in rivals))
        reason = conflict_reason(listener.spec, rivals[0].spec)
        message = f"conflicts with {names} on port {listener.spec.port}; none of these listeners is served"
        yield Finding(listener.parent, reason, message, _conflict_path(listener, reason), fix=_OTHER_PLACES[reason])


def _preceded(listener: Listener, earlier: Iterable[Listener]) -> Iterator[Finding]:
    """Report the older listeners that this one conflicts with."""
    for rival in earlier:
        if reason := conflict_reason(listener.spec, rival.spec):
            older = f"listener {rival.spec.name} of {rival.parent}"
            message = f"conflicts with {older} on port {listener.spec.port}, which is older; this one is not served"
            yield Finding(listener.parent, reason, message, _conflict_path(listener, reason), fix=_OTHER_PLACES[reason])


def _conflict_path(listener: Listener, reason: str) -> str:
    if reason == "HostnameConflict" and listener.spec.hostname:
        return f"{listener.path}.hostname"
    return f"{listener.path}.{'protocol' if reason == 'ProtocolConflict' else 'port'}"


def _certificate_findings(view: View, listener: Listener) -> Iterator[Finding]:
    refs = listener.spec.tls.certificate_refs if listener.spec.tls is not None else ()
    if listener.terminates_tls and not refs:
        message, fix = "no certificate is set; the listener is not served", "add a Secret to certificateRefs"
        yield Finding(listener.parent, "InvalidCertificateRef", message, f"{listener.path}.tls", fix=fix)
    if listener.terminates_tls:
        yield from certificate_findings(view, listener.parent, f"{listener.path}.tls.certificateRefs", refs)
