"""Gateway API's Gateway -> Gateway."""

from collections.abc import Iterator

from api.finding import Finding, Severity
from api.gateways import Gateway, ServedHost, Server, Speaks, Termination
from api.kinds.gateway_api import gateway as gw
from api.kinds.gateway_api.gateway_class import GATEWAY_CLASS
from api.mesh import Lowered
from api.meta import Object, Ref
from api.view import View
from translators.contract import Input
from translators.gateway_api.listeners import Served, is_ours, listener_findings, served
from translators.gateway_api.names import API, ROUTER_LABEL, called, hostname_problem, section_problem

_WITHOUT_TLS, _WITHOUT_HOST = {"HTTP", "TCP", "UDP"}, {"TCP", "UDP"}


def lower(view: View, obj: Object[gw.Gateway]) -> Lowered:
    """Return the gateway, with the listeners that are served; nothing for one of another controller's class."""
    if not is_ours(view, obj):
        return Lowered(findings=tuple(_class_findings(view, obj)))
    gateway = Gateway(
        ref=obj.ref,
        selector=_selector(obj),
        servers=tuple(_server(one) for one in served(obj)),
        created=obj.created,
        api=API,
        local=True,
    )
    return Lowered(gateways=(gateway,), findings=tuple(listener_findings(obj)))


def validate(obj: Object[gw.Gateway]) -> Iterator[Finding]:
    """Refuse what the API server refuses."""
    names: set[str] = set()
    places: set[tuple[int, str, str]] = set()
    for i, said in enumerate(obj.spec.listeners):
        path = f"spec.listeners[{i}]"
        yield from _tls_findings(obj.ref, path, said)
        if problem := section_problem(said.name):
            yield Finding(obj.ref, "InvalidListener", problem, f"{path}.name")
        if said.hostname and (problem := hostname_problem(said.hostname)):
            yield Finding(obj.ref, "InvalidHostname", problem, f"{path}.hostname")
        if said.hostname and said.protocol in _WITHOUT_HOST:
            message = "hostname must not be specified for protocols ['TCP', 'UDP']"
            yield Finding(obj.ref, "InvalidListener", message, f"{path}.hostname")
        if said.name in names:
            message = "Listener name must be unique within the Gateway"
            yield Finding(obj.ref, "InvalidListener", message, f"{path}.name")
        place = said.port, said.protocol, said.hostname
        if place in places:
            message = "Combination of port, protocol and hostname must be unique for each listener"
            yield Finding(obj.ref, "InvalidListener", message, path)
        names.add(said.name)
        places.add(place)


def _server(listener: Served) -> Server:
    said = listener.said
    termination = None
    if listener.secure and said.tls is not None:
        termination = Termination(credentials=tuple(ref.name for ref in said.tls.certificate_refs))
    return Server(
        number=said.port,
        speaks=Speaks.HTTP,
        hosts=(ServedHost(listener.host),),
        section=said.name,
        tls=listener.secure,
        termination=termination,
        path=listener.path,
        credential_path="tls.certificateRefs",
        isolated=True,
    )


def _class_findings(view: View, obj: Object[gw.Gateway]) -> Iterator[Finding]:
    """Tell of a class that is not there. Classes of other controllers are none of ours."""
    name = obj.spec.gateway_class_name
    if view.get(Ref(GATEWAY_CLASS.key, "", name)) is None:
        message = f"there is no GatewayClass {name}: nobody serves this Gateway"
        fix = "create the GatewayClass, or correct the name"
        yield Finding(obj.ref, "NoGatewayClass", message, "spec.gatewayClassName", Severity.WARNING, fix)


def _tls_findings(about: Ref, path: str, said: gw.Listener) -> Iterator[Finding]:
    where = f"{path}.tls"
    if said.protocol in _WITHOUT_TLS and said.tls is not None:
        message = "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']"
        yield Finding(about, "InvalidTls", message, where)
    if said.protocol == "HTTPS":
        if said.tls is None or said.tls.mode not in {None, "Terminate"}:
            yield Finding(about, "InvalidTls", "tls mode must be Terminate for protocol HTTPS", where)
    elif said.protocol == "TLS" and (said.tls is None or said.tls.mode is None):
        yield Finding(about, "InvalidTls", "tls mode must be set for protocol TLS", where)
    ends = said.tls is not None and said.tls.mode != "Passthrough"
    if ends and said.tls is not None and not (said.tls.certificate_refs or said.tls.options):
        message = "certificateRefs or options must be specified when mode is Terminate"
        yield Finding(about, "InvalidTls", message, where)


def _selector(obj: Object[gw.Gateway]) -> tuple[tuple[str, str], ...]:
    return ((ROUTER_LABEL, obj.ref.name),)


def _selection(obj: Object[gw.Gateway]) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in _selector(obj))


def _name(obj: Object[gw.Gateway]) -> tuple[str, ...]:
    return (called(obj.ref.namespace, obj.ref.name),)


def _everywhere(_: Object[gw.Gateway]) -> tuple[str, ...]:
    return ("*",)


INPUT = Input(
    kinds=(gw.GATEWAY,),
    lower=lower,
    validate=validate,
    indexes={"gateways": _everywhere, "gateway.name": _name, "gateway.selector": _selection},
)
