"""What the API server refuses of listeners, whoever writes them."""

from collections.abc import Iterator, Sequence

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import gateway as gw
from mirrorplane.api.meta import Ref
from mirrorplane.translators.gateway_api.names import hostname_problem, section_problem

_WITHOUT_TLS, _WITHOUT_HOST = {"HTTP", "TCP", "UDP"}, {"TCP", "UDP"}


def listener_rules(about: Ref, listeners: Sequence[gw.Listener]) -> Iterator[Finding]:
    """Yield what is refused of the listeners of an object. The API server says "Gateway" of ListenerSets, too."""
    names: set[str] = set()
    places: set[tuple[int, str, str]] = set()
    for i, said in enumerate(listeners):
        path = f"spec.listeners[{i}]"
        yield from _of_one(about, path, said)
        if said.name in names:
            message = "Listener name must be unique within the Gateway"
            yield Finding(about, "InvalidListener", message, f"{path}.name")
        place = said.port, said.protocol, said.hostname
        if place in places:
            message = "Combination of port, protocol and hostname must be unique for each listener"
            yield Finding(about, "InvalidListener", message, path)
        names.add(said.name)
        places.add(place)


def _of_one(about: Ref, path: str, said: gw.Listener) -> Iterator[Finding]:
    yield from _tls(about, f"{path}.tls", said)
    if problem := section_problem(said.name):
        yield Finding(about, "InvalidListener", problem, f"{path}.name")
    if said.hostname and (problem := hostname_problem(said.hostname)):
        yield Finding(about, "InvalidHostname", problem, f"{path}.hostname")
    if said.hostname and said.protocol in _WITHOUT_HOST:
        message = "hostname must not be specified for protocols ['TCP', 'UDP']"
        yield Finding(about, "InvalidListener", message, f"{path}.hostname")


def _tls(about: Ref, path: str, said: gw.Listener) -> Iterator[Finding]:
    if said.protocol in _WITHOUT_TLS and said.tls is not None:
        message = "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']"
        yield Finding(about, "InvalidTls", message, path)
    if said.protocol == "HTTPS" and said.tls is not None and said.tls.mode not in {None, "Terminate"}:
        yield Finding(about, "InvalidTls", "tls mode must be Terminate for protocol HTTPS", path)
    if said.protocol == "TLS" and said.tls is None:
        yield Finding(about, "InvalidTls", "tls mode must be set for protocol TLS", path)
    ends = said.tls is not None and said.tls.mode != "Passthrough"
    if ends and said.tls is not None and not (said.tls.certificate_refs or said.tls.options):
        message = "certificateRefs or options must be specified when mode is Terminate"
        yield Finding(about, "InvalidTls", message, path)
