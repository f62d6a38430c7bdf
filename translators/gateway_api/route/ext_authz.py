"""HTTPExternalAuthFilter -> Authorization."""

from collections.abc import Iterator

from mirrorplane.api.actions import Authorization
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import filters as gw
from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.route.backends import Use, backend_findings, destination_of
from mirrorplane.translators.gateway_api.route.matches import is_path
from mirrorplane.translators.patterns import is_header_name


def authorization_of(view: View, use: Use, said: gw.HTTPExternalAuthFilter) -> Authorization:
    """Return who is asked; `use` is the field that names the backend.

    Gateway API: by HTTP the host, the method, the path, the length of the body and `Authorization` are always told.
    """
    to = destination_of(view, use, said.backend_ref)
    most = said.forward_body.max_size
    if said.protocol == "GRPC":
        told = said.grpc.allowed_headers if said.grpc is not None else ()
        return Authorization(to, grpc=True, headers=told, max_body_bytes=most)
    http = said.http or gw.HTTPAuthConfig()
    return Authorization(
        destination=to,
        prefix=f"/{http.path.strip('/')}" if http.path.strip("/") else "",
        headers=http.allowed_headers,
        passed_on=http.allowed_response_headers,
        max_body_bytes=most,
    )


def authorization_findings(about: Ref, path: str, said: gw.HTTPExternalAuthFilter) -> Iterator[Finding]:
    """Refuse what the API server refuses, and what Envoy would."""
    yield from backend_findings(about, f"{path}.backendRef", said.backend_ref)
    for protocol, field, given in (("GRPC", "grpc", said.grpc is not None), ("HTTP", "http", said.http is not None)):
        if said.protocol == protocol and not given:
            message = f"{field} must be specified when protocol is set to '{protocol}'"
            yield Finding(about, "InvalidAuth", message, path)
        if said.protocol != protocol and given:
            yield Finding(about, "InvalidAuth", f"protocol must be '{protocol}' when {field} is set", f"{path}.{field}")
    http, grpc = said.http or gw.HTTPAuthConfig(), said.grpc or gw.GRPCAuthConfig()
    if http.path and not is_path(http.path):
        yield Finding(about, "InvalidAuth", f"{http.path!r} is no path", f"{path}.http.path")
    for field, names in (
        ("http.allowedHeaders", http.allowed_headers),
        ("http.allowedResponseHeaders", http.allowed_response_headers),
        ("grpc.allowedHeaders", grpc.allowed_headers),
    ):
        for i, name in enumerate(names):
            if not is_header_name(name):
                message = f"{name!r} is not the name of a header"
                yield Finding(about, "InvalidAuth", message, f"{path}.{field}[{i}]")
