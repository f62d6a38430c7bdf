"""HTTPExternalAuthFilter -> Authorization."""

from collections.abc import Iterator

from mirrorplane.api.actions import Authorization
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import filters as gw
from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.route.backends import Referrer, backend_findings, destination_of
from mirrorplane.translators.gateway_api.route.matches import is_path
from mirrorplane.translators.patterns import is_header_name


def authorization_of(view: View, referrer: Referrer, spec: gw.HTTPExternalAuthFilter) -> Authorization:
    """Return the authorization; `referrer` is the field that refers to the server.

    Gateway API: over HTTP, host, method, path, content length and `Authorization` are always sent.
    """
    destination = destination_of(view, referrer, spec.backend_ref)
    max_size = spec.forward_body.max_size
    if spec.protocol == "GRPC":
        headers = spec.grpc.allowed_headers if spec.grpc is not None else ()
        return Authorization(destination, grpc=True, headers=headers, max_body_bytes=max_size)
    http = spec.http or gw.HTTPAuthConfig()
    return Authorization(
        destination=destination,
        prefix=f"/{http.path.strip('/')}" if http.path.strip("/") else "",
        headers=http.allowed_headers,
        upstream_headers=http.allowed_response_headers,
        max_body_bytes=max_size,
    )


def authorization_findings(about: Ref, path: str, spec: gw.HTTPExternalAuthFilter) -> Iterator[Finding]:
    """Report what the API server rejects, and what Envoy would."""
    yield from backend_findings(about, f"{path}.backendRef", spec.backend_ref)
    for protocol, field, is_set in (("GRPC", "grpc", spec.grpc is not None), ("HTTP", "http", spec.http is not None)):
        if spec.protocol == protocol and not is_set:
            message = f"{field} must be specified when protocol is set to '{protocol}'"
            yield Finding(about, "InvalidAuth", message, path)
        if spec.protocol != protocol and is_set:
            yield Finding(about, "InvalidAuth", f"protocol must be '{protocol}' when {field} is set", f"{path}.{field}")
    http, grpc = spec.http or gw.HTTPAuthConfig(), spec.grpc or gw.GRPCAuthConfig()
    if http.path and not is_path(http.path):
        yield Finding(about, "InvalidAuth", f"invalid path {http.path!r}", f"{path}.http.path")
    for field, names in (
        ("http.allowedHeaders", http.allowed_headers),
        ("http.allowedResponseHeaders", http.allowed_response_headers),
        ("grpc.allowedHeaders", grpc.allowed_headers),
    ):
        for i, name in enumerate(names):
            if not is_header_name(name):
                yield Finding(about, "InvalidAuth", f"invalid header name {name!r}", f"{path}.{field}[{i}]")
