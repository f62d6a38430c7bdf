"""Kubernetes Service -> Service."""

from collections.abc import Iterable

from api.hosts import fqdn
from api.kinds import kube
from api.mesh import Lowered, Port, Protocol, Service
from api.meta import Object
from api.view import View
from translators.contract import Input
from translators.istio.protocols import of_port

_EXPORT_TO = "networking.istio.io/exportTo"
_HEADLESS = "None"
_ALIAS = "ExternalName"


def lower(_: View, obj: Object[kube.ServiceSpec]) -> Lowered:
    """Return the service by its cluster DNS name. An ExternalName is DNS's business, not ours."""
    spec = obj.spec
    if spec.type == _ALIAS:
        return Lowered()
    addresses = spec.cluster_ips or (spec.cluster_ip,)
    service = Service(
        host=fqdn(obj.ref.name, obj.ref.namespace),
        namespace=obj.ref.namespace,
        ports=tuple(_port(p) for p in spec.ports),
        ref=obj.ref,
        addresses=tuple(a for a in addresses if a and a != _HEADLESS),
        selector=tuple(sorted(spec.selector.items())),
        export_to=_export_to(obj),
        created=obj.created,
    )
    return Lowered(services=(service,))


def _port(port: kube.ServicePort) -> Port:
    protocol = of_port(port.port, port.name, port.app_protocol) if port.protocol == "TCP" else Protocol.UDP
    return Port(port.port, port.name, protocol, port.target_port)


def _export_to(obj: Object[kube.ServiceSpec]) -> tuple[str, ...]:
    said = obj.annotations.get(_EXPORT_TO, "")
    return tuple(part.strip() for part in said.split(",") if part.strip()) or ("*",)


def _host(obj: Object[kube.ServiceSpec]) -> Iterable[str]:
    return (fqdn(obj.ref.name, obj.ref.namespace),)


def _everything(_: Object[kube.ServiceSpec]) -> Iterable[str]:
    return ("*",)


INPUT = Input(kinds=(kube.SERVICE,), lower=lower, indexes={"services": _everything, "service.host": _host})
