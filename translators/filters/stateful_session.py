"""Sessions: in every chain where routes may ask for some, so that the first makes no listener drain."""

from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Filter, Slot
from mirrorplane.translators.lookups.precedence import may_hold


def chain(view: View, scope: Scope) -> envoy.StatefulSession | None:
    """Return the filter's configuration."""
    return envoy.StatefulSession() if view.memo(may_hold, scope) else None


def route(said: Route) -> envoy.StatefulSessionPerRoute | None:
    """Return what names the sessions of a route."""
    session = said.session
    if session is None:
        return None
    body = envoy.StatefulSessionPerRoute()
    state = body.stateful_session.session_state
    if session.header:
        state.name = "envoy.http.stateful_session.header"
        state.typed_config.CopyFrom(envoy.packed(envoy.HeaderBasedSessionState(name=session.name)))
        return body
    cookie = envoy.CookieBasedSessionState()
    cookie.cookie.name, cookie.cookie.path = session.name, session.path
    if session.ttl_ms:
        cookie.cookie.ttl.CopyFrom(envoy.duration(session.ttl_ms))
    state.name = "envoy.http.stateful_session.cookie"
    state.typed_config.CopyFrom(envoy.packed(cookie))
    return body


FILTER = Filter(slot=Slot.SESSION, name="envoy.filters.http.stateful_session", chain=chain, route=route, asleep=True)
