"""A Gateway's or ListenerSet's listeners -> servers of routers. See decision 0081."""

from collections.abc import Iterable

import msgspec

from mirrorplane.api.gateways import Gateway, ServedHost, Server, ServerProtocol
from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.translators.gateway_api.gateway.listeners import Verdict
from mirrorplane.translators.gateway_api.names import ROUTER_LABEL, api_of, router_label

_SPEAKS = {"HTTP": ServerProtocol.HTTP, "HTTPS": ServerProtocol.HTTP, "UDP": ServerProtocol.UDP}


def gateway_of(obj: AnyObject, gateway: Ref, verdicts: Iterable[Verdict]) -> Gateway:
    """Return what is served of the listeners that an object writes down, at the routers of a Gateway."""
    return Gateway(
        ref=obj.ref,
        selector=((ROUTER_LABEL, router_label(gateway.name)),),
        servers=tuple(_server(one) for one in verdicts if (one.served or one.shut) and one.listener.owner == obj.ref),
        created=obj.created,
        api=api_of(obj.ref),
        router_namespace=gateway.namespace,
    )


def selection_of(gateway: str) -> tuple[str, ...]:
    """Return the key under which an index finds what serves at the routers of a Gateway of this name."""
    return (f"{ROUTER_LABEL}={router_label(gateway)}",)


def _server(verdict: Verdict) -> Server:
    listener, said, termination = verdict.listener, verdict.listener.said, verdict.termination
    if verdict.shut and termination is not None:  # what it names may be there and yet be none that it may name
        termination = msgspec.structs.replace(termination, credentials=())
    return Server(
        number=said.port,
        protocol=_SPEAKS.get(said.protocol, ServerProtocol.TCP),
        hosts=(ServedHost(listener.host),),
        section_name=said.name,
        tls=listener.secure,
        termination=termination,
        path=listener.path,
        credential_path="tls.certificateRefs",
        isolated=True,
    )
