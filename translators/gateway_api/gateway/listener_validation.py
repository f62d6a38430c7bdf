"""What the API server rejects of the listeners of Gateways and ListenerSets."""

from collections.abc import Iterator, Sequence

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import gateway as gw
from mirrorplane.api.meta import Ref
from mirrorplane.translators.gateway_api.names import hostname_problem, section_problem

_WITHOUT_TLS, _WITHOUT_HOST = {"HTTP", "TCP", "UDP"}, {"TCP", "UDP"}


def listener_findings(about: Ref, listeners: Sequence[gw.Listener]) -> Iterator[Finding]:
    """Report invalid listeners of an object. The API server's messages say "Gateway" of ListenerSets, too."""
    names: set[str] = set()
    places: set[tuple[int, str, str]] = set()
    for i, listener in enumerate(listeners):
        path = f"spec.listeners[{i}]"
        yield from _own_findings(about, path, listener)
        if listener.name in names:
            message = "Listener name must be unique within the Gateway"
            yield Finding(about, "InvalidListener", message, f"{path}.name")
        place = listener.port, listener.protocol, listener.hostname
        if place in places:
            message = "Combination of port, protocol and hostname must be unique for each listener"
            yield Finding(about, "InvalidListener", message, path)
        names.add(listener.name)
        places.add(place)


def _own_findings(about: Ref, path: str, listener: gw.Listener) -> Iterator[Finding]:
    yield from _tls_findings(about, f"{path}.tls", listener)
    if problem := section_problem(listener.name):
        yield Finding(about, "InvalidListener", problem, f"{path}.name")
    if listener.hostname and (problem := hostname_problem(listener.hostname)):
        yield Finding(about, "InvalidHostname", problem, f"{path}.hostname")
    if listener.hostname and listener.protocol in _WITHOUT_HOST:
        message = "hostname must not be specified for protocols ['TCP', 'UDP']"
        yield Finding(about, "InvalidListener", message, f"{path}.hostname")


def _tls_findings(about: Ref, path: str, listener: gw.Listener) -> Iterator[Finding]:
    protocol, tls = listener.protocol, listener.tls
    if protocol in _WITHOUT_TLS and tls is not None:
        message = "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']"
        yield Finding(about, "InvalidTls", message, path)
    if protocol == "HTTPS" and tls is not None and tls.mode not in {None, "Terminate"}:
        yield Finding(about, "InvalidTls", "tls mode must be Terminate for protocol HTTPS", path)
    if protocol == "TLS" and tls is None:
        yield Finding(about, "InvalidTls", "tls mode must be set for protocol TLS", path)
    if tls is not None and tls.mode != "Passthrough" and not (tls.certificate_refs or tls.options):
        message = "certificateRefs or options must be specified when mode is Terminate"
        yield Finding(about, "InvalidTls", message, path)
