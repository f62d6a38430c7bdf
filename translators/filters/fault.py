"""Fault injection: always in the chain (Istio), without effect until a route asks for faults."""

from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Filter, Slot


def chain(_: View, __: Scope) -> envoy.HTTPFault:
    """Return the filter's configuration in the chain."""
    return envoy.HTTPFault()


def route(route: Route) -> envoy.HTTPFault | None:
    """Return the faults of a route. The router, which copies requests, is behind this filter: aborts are not copied."""
    fault = route.fault
    if fault is None:
        return None
    body = envoy.HTTPFault()
    if fault.delay_fraction:
        body.delay.fixed_delay.CopyFrom(envoy.duration(fault.delay_ms))
        body.delay.percentage.CopyFrom(envoy.share(fault.delay_fraction))
    if fault.abort_fraction:
        if fault.abort_grpc:
            body.abort.grpc_status = fault.abort_grpc
        else:
            body.abort.http_status = fault.abort_http
        body.abort.percentage.CopyFrom(envoy.share(fault.abort_fraction))
    return body


FILTER = Filter(slot=Slot.FAULT, name="envoy.filters.http.fault", chain=chain, route=route)
