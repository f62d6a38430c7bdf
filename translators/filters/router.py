"""The router: in every chain, and last, since it ends the chain."""

from mirrorplane.api.proxy import Scope
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Filter, Slot


def chain(_: View, __: Scope) -> envoy.Router:
    """Return the filter's configuration in the chain."""
    return envoy.Router()


FILTER = Filter(slot=Slot.ROUTER, name="envoy.filters.http.router", chain=chain)
