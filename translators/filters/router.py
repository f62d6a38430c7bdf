"""The router: always there, always last."""

from api.proxy import Scope
from api.view import View
from translators import envoy
from translators.contract import Filter, Slot


def chain(_: View, __: Scope) -> envoy.Router:
    """Return the router's configuration."""
    return envoy.Router()


FILTER = Filter(slot=Slot.ROUTER, name="envoy.filters.http.router", chain=chain)
