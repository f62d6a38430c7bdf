"""A Gateway's or ListenerSet's listeners -> servers of routers. See decision 0081."""

from collections.abc import Iterable

import msgspec

from mirrorplane.api.gateways import Gateway, ServedHost, Server, ServerProtocol
from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.api.routes import Order
from mirrorplane.translators.gateway_api.gateway.listeners import ListenerVerdict
from mirrorplane.translators.gateway_api.names import ROUTER_LABEL, api_prefix, router_label

_PROTOCOLS = {"HTTP": ServerProtocol.HTTP, "HTTPS": ServerProtocol.HTTP, "UDP": ServerProtocol.UDP}


def gateway_of(
    obj: AnyObject, gateway: Ref, verdicts: Iterable[ListenerVerdict], service_accounts: tuple[str, ...] = ()
) -> Gateway:
    """Return the servers for the listeners that an object declares, at the routers of a Gateway."""
    declared = (verdict for verdict in verdicts if verdict.listener.parent == obj.ref)
    return Gateway(
        ref=obj.ref,
        selector=((ROUTER_LABEL, router_label(gateway.name)),),
        servers=tuple(_server(verdict) for verdict in declared if verdict.served or verdict.closed),
        created=obj.created,
        api=api_prefix(obj.ref),
        router_namespace=gateway.namespace,
        order=Order.PRECISE,
        service_accounts=service_accounts,
    )


def selector_keys(gateway: str) -> tuple[str, ...]:
    """Return the key, in the index `gateway.selector`, of what the routers of a Gateway of this name serve."""
    return (f"{ROUTER_LABEL}={router_label(gateway)}",)


def _server(verdict: ListenerVerdict) -> Server:
    listener, termination = verdict.listener, verdict.termination
    if verdict.closed and termination is not None:
        # A Secret that the listener refers to without permission may exist: it must not be served by accident.
        termination = msgspec.structs.replace(termination, credentials=())
    return Server(
        number=listener.spec.port,
        protocol=_PROTOCOLS.get(listener.spec.protocol, ServerProtocol.TCP),
        hosts=(ServedHost(listener.host),),
        section_name=listener.spec.name,
        tls=listener.uses_tls,
        termination=termination,
        path=listener.path,
        credential_path="tls.certificateRefs",
        isolated=True,
    )
