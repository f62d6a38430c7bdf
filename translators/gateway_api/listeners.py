"""Which of a Gateway's listeners are served, and why the others are not."""

from collections.abc import Iterator

import msgspec

from api.finding import Finding
from api.gateways import EVERYWHERE
from api.kinds.gateway_api import GROUP
from api.kinds.gateway_api import gateway as gw
from api.kinds.gateway_api.gateway_class import CONTROLLER, GATEWAY_CLASS
from api.kinds.kube import NAMESPACE
from api.meta import Object, Ref
from api.view import View
from translators.gateway_api.selectors import selects

Gateway = Object[gw.Gateway]
_SECRET, _ROUTE = ("", "Secret"), (GROUP, "HTTPRoute")
_NAME_LABEL = "kubernetes.io/metadata.name"


class Served(msgspec.Struct, frozen=True):
    """A listener that is served, and its field."""

    said: gw.Listener
    path: str

    @property
    def host(self) -> str:
        """The hosts that it takes."""
        return self.said.hostname or EVERYWHERE

    @property
    def secure(self) -> bool:
        """Whether clients speak TLS to it."""
        return self.said.protocol == "HTTPS"


def is_ours(view: View, obj: Gateway) -> bool:
    """Tell whether a Gateway's class is served here."""
    found = view.get(Ref(GATEWAY_CLASS.key, "", obj.spec.gateway_class_name))
    return found is not None and found.spec.controller_name == CONTROLLER


def served(obj: Gateway) -> tuple[Served, ...]:
    """Return the listeners that are served."""
    left = {finding.path.partition("]")[0] + "]" for finding in _left_out(obj)}
    said = [Served(listener, f"spec.listeners[{i}]") for i, listener in enumerate(obj.spec.listeners)]
    return tuple(one for one in said if one.path not in left)


def listener_findings(obj: Gateway) -> Iterator[Finding]:
    """Say of each listener that is not served why, and which kinds of routes are not."""
    yield from _left_out(obj)
    if obj.spec.tls.backend is not None:
        message = "backends are called without a certificate of the Gateway's: this changes nothing"
        yield Finding(obj.ref, "BackendTlsNotServed", message, "spec.tls.backend")
    for i, listener in enumerate(obj.spec.listeners):
        for j, kind in enumerate(listener.allowed_routes.kinds):
            if (kind.group, kind.kind) != _ROUTE:
                message = f"{kind.kind} of {kind.group or 'the core group'} is not served: only HTTPRoutes are attached"
                path = f"spec.listeners[{i}].allowedRoutes.kinds[{j}]"
                yield Finding(obj.ref, "InvalidRouteKinds", message, path, fix="allow HTTPRoute")


def _left_out(obj: Gateway) -> Iterator[Finding]:
    """Say of each listener that is not served why: what is not served here, and conflicts, in which none wins."""
    for i, listener in enumerate(obj.spec.listeners):
        yield from _not_served(obj.ref, f"spec.listeners[{i}]", listener)
        if listener.protocol == "HTTPS" and obj.spec.tls.frontend is not None:
            message = "certificates of clients are not verified here, as spec.tls.frontend wants: nothing listens"
            yield Finding(obj.ref, "FrontendNotServed", message, f"spec.listeners[{i}].protocol")
    for i, one in enumerate(obj.spec.listeners):
        others = {o.name for o in obj.spec.listeners if o.port == one.port and o.protocol != one.protocol}
        if others and one.protocol in {"HTTP", "HTTPS"}:
            shown = ", ".join(sorted(others))
            message = f"listeners of one port must speak one protocol, and {shown} speaks another: none is served"
            path = f"spec.listeners[{i}].protocol"
            yield Finding(obj.ref, "ProtocolConflict", message, path, fix="give it a port of its own")


def admits(view: View, obj: Gateway, listener: Served, namespace: str) -> bool:
    """Tell whether HTTPRoutes of a namespace may be attached to a listener."""
    allowed = listener.said.allowed_routes
    if allowed.kinds and _ROUTE not in {(kind.group, kind.kind) for kind in allowed.kinds}:
        return False
    places = allowed.namespaces
    if places.from_ == "Same":
        return namespace == obj.ref.namespace
    if places.from_ == "All":
        return True
    found = view.get(Ref(NAMESPACE.key, "", namespace))
    labels = {_NAME_LABEL: namespace, **(found.labels if found is not None else {})}
    return places.selector is not None and selects(places.selector, labels)


def _not_served(about: Ref, path: str, said: gw.Listener) -> Iterator[Finding]:
    if said.protocol not in {"HTTP", "HTTPS"}:
        message = f"the protocol {said.protocol} is not served at Gateways: nothing listens for this listener"
        yield Finding(about, "UnsupportedProtocol", message, f"{path}.protocol", fix="use HTTP or HTTPS")
    if said.protocol == "HTTPS" and said.tls is not None:
        if not said.tls.certificate_refs:
            message = "options name no certificate: nothing listens for this listener"
            yield Finding(
                about, "InvalidCertificateRef", message, f"{path}.tls", fix="name a Secret in certificateRefs"
            )
        for i, ref in enumerate(said.tls.certificate_refs):
            where = f"{path}.tls.certificateRefs[{i}]"
            if (ref.group, ref.kind) != _SECRET:
                message = f"a certificate is in a Secret, and this is a {ref.kind}: nothing listens for this listener"
                yield Finding(about, "InvalidCertificateRef", message, f"{where}.kind")
            if ref.namespace not in {"", about.namespace}:
                message = "Secrets of other namespaces are not served to routers: nothing listens for this listener"
                fix = f"copy it to namespace {about.namespace}"
                yield Finding(about, "CertificateElsewhere", message, f"{where}.namespace", fix=fix)
