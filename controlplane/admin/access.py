"""Who may read the debug pages: on loopback, clients that ask by a local name; elsewhere, holders of a bearer token.

Health and metrics stay open, as probes and Prometheus expect.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from mirrorplane.controlplane.identity.authoriser import Authoriser
from mirrorplane.controlplane.identity.caller import Caller, Credentials, ForbiddenError, RefusedError
from mirrorplane.controlplane.settings import Address

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_CALLER = web.RequestKey("caller", Caller)


@web.middleware
async def by_local_name(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse debug pages under another host name: a web page could make a local browser read them (DNS rebinding)."""
    name = _host(request)
    if _is_debug(request) and not Address(name, 0).is_loopback:
        return _refusal(HTTPStatus.FORBIDDEN, f"request the debug pages as http://localhost, not as {name}")
    return await handler(request)


def by_token(authoriser: Authoriser) -> Middleware:
    """Return a middleware that admits to debug pages only callers with a valid bearer token. See decision 0027."""

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _is_debug(request):
            try:
                caller = authoriser.admit(Credentials(tuple(request.headers.getall("Authorization", ()))))
            except ForbiddenError as error:
                return _refusal(HTTPStatus.FORBIDDEN, str(error))
            except RefusedError as error:
                return _refusal(HTTPStatus.UNAUTHORIZED, str(error))
            if caller is None:  # the authoriser identifies nobody: deny, whatever led here
                return _refusal(HTTPStatus.FORBIDDEN, "the debug pages need a bearer token")
            request[_CALLER] = caller
        return await handler(request)

    return admit


def caller_of(request: web.Request) -> Caller | None:
    """Return who was admitted by a token; None on loopback. A response that lasts has to confirm it again."""
    return request.get(_CALLER)


def _host(request: web.Request) -> str:
    """Return the name by which a client asks, without the port; as written where it is malformed."""
    try:
        return request.url.host or ""
    except ValueError:
        return request.host


def _is_debug(request: web.Request) -> bool:
    return request.path == "/debug" or request.path.startswith("/debug/")


def _refusal(status: HTTPStatus, message: str) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return web.json_response({"error": message}, status=status, headers=headers)
