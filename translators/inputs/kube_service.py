"""Kubernetes Service -> Service."""

from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import collapsed, fqdn, is_ip
from mirrorplane.api.kinds import kube
from mirrorplane.api.mesh import Lowered, Port, Protocol, Service
from mirrorplane.api.meta import Object
from mirrorplane.api.units import PORTS
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.istio.annotations import EXPORT_TO, annotation_findings
from mirrorplane.translators.istio.external_names import (
    EXTERNAL_NAME,
    alias_keys,
    external_endpoint_keys,
    external_name_findings,
    lower_external_name,
)
from mirrorplane.translators.partitions import export_keys, namespace_keys, selector_keys, selector_partitions
from mirrorplane.translators.port_protocols import protocol_of_port, protocol_of_token
from mirrorplane.translators.settings import mesh

_SYSTEM = "kube-"
_HEADLESS = "None"
# Envoy has neither listeners nor clusters for it.
_UNSUPPORTED = "SCTP"


def lower(view: View, obj: Object[kube.ServiceSpec]) -> Lowered:
    """Return the service by its cluster DNS name. An ExternalName is an alias, or a service outside the mesh."""
    spec = obj.spec
    if spec.type == EXTERNAL_NAME:
        return lower_external_name(view, obj, _ports(spec), _visible_to(view, obj))
    service = Service(
        host=fqdn(obj.ref.name, obj.ref.namespace),
        namespace=obj.ref.namespace,
        ports=_ports(spec),
        ref=obj.ref,
        addresses=_addresses(obj),
        headless=spec.cluster_ip == _HEADLESS,
        selector=tuple(sorted(spec.selector.items())),
        export_to=_visible_to(view, obj),
        created=obj.created,
    )
    return Lowered(services=(service,))


def validate(obj: Object[kube.ServiceSpec]) -> Iterator[Finding]:
    """Refuse what the API server refuses: ports out of range, duplicate ports, invalid addresses."""
    ports: set[tuple[str, int]] = set()
    for i, port in enumerate(obj.spec.ports):
        path = f"spec.ports[{i}]"
        if port.port not in PORTS:
            yield Finding(obj.ref, "InvalidPort", f"port {port.port} is not in 1..65535", f"{path}.port")
        if isinstance(port.target_port, int) and port.target_port and port.target_port not in PORTS:
            yield Finding(obj.ref, "InvalidPort", f"port {port.target_port} is not in 1..65535", f"{path}.targetPort")
        if (port.protocol, port.port) in ports:
            yield Finding(obj.ref, "DuplicatePort", f"duplicate port {port.port}", f"{path}.port")
        ports.add((port.protocol, port.port))
    for address in (obj.spec.cluster_ip, *obj.spec.cluster_ips):
        if address and address != _HEADLESS and not is_ip(address):
            yield Finding(obj.ref, "InvalidAddress", f"{address!r} is not an IP address", "spec.clusterIP")
    yield from external_name_findings(obj)
    yield from _name_findings(obj)
    yield from annotation_findings(obj)


def _name_findings(obj: Object[kube.ServiceSpec]) -> Iterator[Finding]:
    """Warn of port names without protocol (Istio IST0118), except for those of Kubernetes' own namespaces."""
    for i, port in enumerate(obj.spec.ports):
        declared = port.protocol != "TCP" or not port.name or protocol_of_token(port.app_protocol)
        if (
            not declared
            and protocol_of_port(0, port.name) is Protocol.AUTO
            and not obj.ref.namespace.startswith(_SYSTEM)
        ):
            message = (
                f"port name {port.name} has no protocol prefix, so proxies detect the protocol from the first bytes"
            )
            fix = "prefix the name with http-, http2-, grpc-, tcp- or tls-, or set appProtocol"
            path = f"spec.ports[{i}].name"
            yield Finding(obj.ref, "PortNameUnclear", message, path, Severity.WARNING, fix)


def _ports(spec: kube.ServiceSpec) -> tuple[Port, ...]:
    return tuple(_port(p) for p in spec.ports if p.protocol != _UNSUPPORTED)


def _port(port: kube.ServicePort) -> Port:
    protocol = protocol_of_port(port.port, port.name, port.app_protocol) if port.protocol == "TCP" else Protocol.UDP
    return Port(port.port, port.name, protocol, port.target_port, port.app_protocol)


def _visible_to(view: View, obj: Object[kube.ServiceSpec]) -> tuple[str, ...]:
    return _export_to(obj) or view.memo(mesh).services_export_to


def _export_to(obj: Object[kube.ServiceSpec]) -> tuple[str, ...]:
    export_to = obj.annotations.get(EXPORT_TO, "")
    return tuple(part.strip() for part in export_to.split(",") if part.strip())


def _host(obj: Object[kube.ServiceSpec]) -> Iterable[str]:
    return (fqdn(obj.ref.name, obj.ref.namespace),)


def _addresses(obj: Object[kube.ServiceSpec]) -> tuple[str, ...]:
    addresses = obj.spec.cluster_ips or (obj.spec.cluster_ip,)
    return tuple(collapsed(address) for address in addresses if address and address != _HEADLESS)


def _places(obj: Object[kube.ServiceSpec]) -> Iterable[str]:
    return export_keys(_export_to(obj), obj.ref.namespace, _host(obj))


def _owners(obj: Object[kube.ServiceSpec]) -> Iterable[str]:
    return namespace_keys(obj.ref.namespace, _host(obj))


def _selects(obj: Object[kube.ServiceSpec]) -> Iterable[str]:
    return selector_keys(obj.ref.namespace, obj.spec.selector)


def _partitions(obj: Object[kube.ServiceSpec]) -> Iterable[str]:
    return selector_partitions(_host(obj), obj.spec.selector)


INPUT = Input(
    kinds=(kube.SERVICE,),
    lower=lower,
    validate=validate,
    indexes={
        "services": _places,
        "services.by_namespace": _owners,
        "service.host": _host,
        "service.address": _addresses,
        "selector": _selects,
        "selector.partition": _partitions,
        "service.alias": alias_keys,
        "endpoints.service": external_endpoint_keys,
    },
)
