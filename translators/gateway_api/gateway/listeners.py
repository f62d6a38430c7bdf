"""What becomes of the listeners of a Gateway, and of those that ListenerSets add to it: served or not, and why.

See decision 0085.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.gateways import EVERYWHERE, Termination, includes
from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api import gateway as gw
from mirrorplane.api.kinds.gateway_api.listener_set import ListenerSet
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.gateway import namespace_selectors
from mirrorplane.translators.gateway_api.gateway.certificates import certificate_findings
from mirrorplane.translators.gateway_api.gateway.classes import profile
from mirrorplane.translators.gateway_api.gateway.frontend_tls import NO_AUTHORITY, client_findings, termination_of
from mirrorplane.translators.gateway_api.gateway.overlaps import overlaps
from mirrorplane.translators.gateway_api.gateway.protocols import RouteKind, clash, ends_tls, kinds_of, protocols
from mirrorplane.translators.routers.servers import joining_place

Gateway = Object[gw.Gateway]
Set = Object[ListenerSet]


class Listener(msgspec.Struct, frozen=True):
    """A listener, the Gateway or ListenerSet that it is written in, and its field there."""

    owner: Ref
    path: str
    said: gw.Listener

    @property
    def host(self) -> str:
        """The hosts that it takes."""
        return self.said.hostname or EVERYWHERE

    @property
    def secure(self) -> bool:
        """Whether clients speak TLS to it."""
        return self.said.protocol in {"HTTPS", "TLS"}

    @property
    def terminates(self) -> bool:
        """Whether it takes TLS off."""
        return ends_tls(self.said)


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of a listener.

    `kinds` of routes may be attached to it. One that is not `accepted` conflicts, or asks for what there is not; one
    that is not `served` either, or what it names is not there: nothing listens for it. `termination`: how TLS is taken
    off there, if it is. `shut`: it cannot be, so that nobody is let in, and its hosts are no other listener's.
    """

    listener: Listener
    kinds: tuple[RouteKind, ...]
    findings: tuple[Finding, ...]
    accepted: bool
    served: bool
    termination: Termination | None = None
    shut: bool = False


def judged(view: View, gateway: Ref) -> tuple[Verdict, ...]:
    """Return what becomes of all listeners of a Gateway, its own first; nothing for one of another controller's class.

    Gateway API: of its own ones that conflict none is served; of those of ListenerSets the first, oldest sets first.
    """
    obj: Gateway | None = view.get(gateway)
    if obj is None or profile(view, obj.spec.gateway_class_name) is None:
        return ()
    void = any(gateway_problems(obj))
    own = listeners_of(obj)
    found = [_verdict(view, obj, one, tuple(_conflicts(one, own)), void=void) for one in own]
    for said in sets_of(view, obj):
        for one in listeners_of(said):
            standing = [each.listener for each in found if each.accepted]
            found.append(_verdict(view, obj, one, tuple(_preceded(one, standing))[:1], void=void))
    return tuple(_with_overlaps(view, found))


def seen_by(view: View, gateway: Ref, owner: Ref) -> tuple[Verdict, ...]:
    """Return what matters to the routes of one object: its own listeners, and those that take hosts from them.

    Gateway API: the most precise listener of a port has a host to itself. One of more listeners that takes nothing
    from an object's own changes nothing here.
    """
    own: tuple[Verdict, ...] = view.memo(_by_owner, gateway).get(owner, ())
    wide = [one.listener for one in own if one.listener.host.startswith(EVERYWHERE)]
    others = (one for one in view.memo(judged, gateway) if one.listener.owner != owner and one.accepted) if wide else ()
    return (*own, *(one for one in others if any(is_finer(one.listener, other) for other in wide)))


def is_finer(one: Listener, other: Listener) -> bool:
    """Tell whether a listener takes hosts from another of its port, because it is more precise."""
    return one.said.port == other.said.port and one.host != other.host and includes(other.host, one.host)


def listeners_of(obj: Gateway | Set) -> tuple[Listener, ...]:
    """Return the listeners that an object writes down."""
    return tuple(Listener(obj.ref, f"spec.listeners[{i}]", said) for i, said in enumerate(obj.spec.listeners))


def sets_of(view: View, obj: Gateway) -> tuple[Set, ...]:
    """Return the ListenerSets that join a Gateway, oldest first."""
    said: tuple[Set, ...] = view.by("gateway.joined", joining_place(obj.ref))
    joining = (one for one in said if is_admitted(view, obj, one.ref.namespace))
    return tuple(sorted(joining, key=lambda one: (one.created, f"{one.ref.namespace}/{one.ref.name}")))


def joined(obj: Set) -> Ref | None:
    """Return the Gateway that a ListenerSet asks to join."""
    said = obj.spec.parent_ref
    if (said.group, said.kind) != (GROUP, "Gateway"):
        return None
    return Ref(gw.GATEWAY.key, said.namespace or obj.ref.namespace, said.name)


def is_admitted(view: View, obj: Gateway, namespace: str) -> bool:
    """Tell whether a Gateway lets ListenerSets of a namespace join."""
    allowed = obj.spec.allowed_listeners.namespaces
    return namespace_selectors.admits(view, (allowed.from_, allowed.selector), obj.ref.namespace, namespace)


def admits(view: View, verdict: Verdict, kind: RouteKind, namespace: str) -> bool:
    """Tell whether routes of a kind and a namespace may be attached to a listener. `Same` is its owner's namespace."""
    allowed = verdict.listener.said.allowed_routes.namespaces
    own = verdict.listener.owner.namespace
    return kind in verdict.kinds and namespace_selectors.admits(view, (allowed.from_, allowed.selector), own, namespace)


def gateway_problems(obj: Gateway) -> Iterator[Finding]:
    """Say why a Gateway as a whole is not served."""
    for i, address in enumerate(obj.spec.addresses):
        if address.type != "IPAddress":
            message = f"addresses of type {address.type} cannot be listened on: the Gateway is not served"
            path = f"spec.addresses[{i}].type"
            yield Finding(obj.ref, "UnsupportedAddress", message, path, fix="use IPAddress")
    said = obj.spec.infrastructure.parameters_ref
    if said is not None:
        message = f"a {said.kind} of {said.group or 'the core group'} says nothing here: the Gateway is not served"
        path, fix = "spec.infrastructure.parametersRef", "leave it out, and name GatewayParameters in the GatewayClass"
        yield Finding(obj.ref, "InvalidParameters", message, path, fix=fix)


def _by_owner(view: View, gateway: Ref) -> Mapping[Ref, tuple[Verdict, ...]]:
    found: dict[Ref, list[Verdict]] = {}
    for one in view.memo(judged, gateway):
        found.setdefault(one.listener.owner, []).append(one)
    return {owner: tuple(verdicts) for owner, verdicts in found.items()}


def _verdict(view: View, obj: Gateway, one: Listener, conflicts: tuple[Finding, ...], *, void: bool) -> Verdict:
    refused = (*_unsupported(one), *conflicts)
    unresolved = () if refused else tuple(_unresolved(view, one))
    clients = () if refused else tuple(client_findings(view, obj, one.owner, one.path, one.said))
    kinds, remarks = _kinds(one)
    unverified = any(finding.reason == NO_AUTHORITY for finding in clients)
    accepted = not (refused or unverified)
    return Verdict(
        listener=one,
        kinds=kinds,
        findings=(*refused, *unresolved, *clients, *remarks),
        accepted=accepted,
        served=accepted and not (unresolved or void),
        termination=termination_of(view, obj, one.owner, one.said),
        shut=one.terminates and not (refused or void) and (unverified or bool(unresolved)),
    )


def _with_overlaps(view: View, found: list[Verdict]) -> Iterator[Verdict]:
    """Yield verdicts with what there is to say of listeners that clients may take for one another."""
    standing = {_place(one.listener): (one.listener.said, one.termination) for one in found if one.accepted}
    said = overlaps(view, standing)
    for one in found:
        more = said.get(_place(one.listener), ())
        yield msgspec.structs.replace(one, findings=(*one.findings, *more)) if more else one


def _place(one: Listener) -> tuple[Ref, str]:
    return one.owner, one.path


def _kinds(one: Listener) -> tuple[tuple[RouteKind, ...], tuple[Finding, ...]]:
    """Return which kinds of routes may be attached to a listener, and what is wrong with those that it names."""
    possible, said = kinds_of(one.said), one.said.allowed_routes.kinds
    if not said or not possible:
        return possible, ()
    remarks = tuple(
        Finding(
            one.owner,
            "InvalidRouteKinds",
            f"{kind.kind} of {kind.group or 'the core group'} cannot be attached to a listener for {one.said.protocol}",
            f"{one.path}.allowedRoutes.kinds[{i}]",
            fix=f"allow {' or '.join(name for _, name in possible)}",
        )
        for i, kind in enumerate(said)
        if (kind.group, kind.kind) not in possible
    )
    named = dict.fromkeys((kind.group, kind.kind) for kind in said)
    return tuple(kind for kind in named if kind in possible), remarks


def _unsupported(one: Listener) -> Iterator[Finding]:
    if one.said.protocol not in protocols():
        message = f"the protocol {one.said.protocol} is not served at Gateways: nothing listens for this listener"
        fix = f"use {', '.join(protocols())}"
        yield Finding(one.owner, "UnsupportedProtocol", message, f"{one.path}.protocol", fix=fix)


def _conflicts(one: Listener, own: Iterable[Listener]) -> Iterator[Finding]:
    """Say which listeners of the same Gateway cannot be told from this one: none of them is served."""
    others = [other for other in own if other is not one and clash(one.said, other.said)]
    if others:
        shown, reason = ", ".join(sorted(other.said.name for other in others)), clash(one.said, others[0].said)
        message = f"on port {one.said.port} it cannot be told from {shown}: none of them is served"
        yield Finding(one.owner, reason, message, _field(one, reason), fix="give it a port of its own")


def _preceded(one: Listener, standing: Iterable[Listener]) -> Iterator[Finding]:
    """Say which listeners that came before have the place of this one."""
    for other in standing:
        if reason := clash(one.said, other.said):
            message = f"on port {one.said.port} it cannot be told from listener {other.said.name} of {other.owner}"
            fix = "give it a port of its own"
            yield Finding(one.owner, reason, f"{message}, which came first", _field(one, reason), fix=fix)


def _field(one: Listener, reason: str) -> str:
    if reason == "HostnameConflict" and one.said.hostname:
        return f"{one.path}.hostname"
    return f"{one.path}.{'protocol' if reason == 'ProtocolConflict' else 'port'}"


def _unresolved(view: View, one: Listener) -> Iterator[Finding]:
    """Say which of the certificates that a listener names cannot be used."""
    refs = one.said.tls.certificate_refs if one.said.tls is not None else ()
    if one.terminates and not refs:
        message, fix = "no certificate is named: nothing listens for this listener", "name a Secret in certificateRefs"
        yield Finding(one.owner, "InvalidCertificateRef", message, f"{one.path}.tls", fix=fix)
    if one.terminates:
        yield from certificate_findings(view, one.owner, f"{one.path}.tls.certificateRefs", refs)
