"""Session persistence: in every chain whose routes may ask for it, so that the first session drains no listener."""

from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Filter, Slot
from mirrorplane.translators.lookups.precedence import may_apply


def chain(view: View, scope: Scope) -> envoy.StatefulSession | None:
    """Return the filter's configuration in the chain; None where no route can have sessions."""
    return envoy.StatefulSession() if view.memo(may_apply, scope) else None


def route(route: Route) -> envoy.StatefulSessionPerRoute | None:
    """Return where the requests of a route carry their session: in a cookie or a header."""
    session = route.session
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


FILTER = Filter(
    slot=Slot.SESSION,
    name="envoy.filters.http.stateful_session",
    chain=chain,
    route=route,
    disabled_by_default=True,
)
