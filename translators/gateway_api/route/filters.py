"""The filters of a rule, and of a backend: how to find one, and what is invalid about them."""

from collections.abc import Iterator, Sequence

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import filters as gw
from mirrorplane.api.meta import Ref
from mirrorplane.translators.gateway_api.names import hostname_problem
from mirrorplane.translators.gateway_api.route.backends import backend_findings
from mirrorplane.translators.gateway_api.route.cors import cors_findings
from mirrorplane.translators.gateway_api.route.ext_authz import authorization_findings
from mirrorplane.translators.gateway_api.route.headers import header_findings
from mirrorplane.translators.gateway_api.route.paths import path_findings

_FIELDS = {
    "RequestHeaderModifier": ("request_header_modifier", "requestHeaderModifier"),
    "ResponseHeaderModifier": ("response_header_modifier", "responseHeaderModifier"),
    "RequestMirror": ("request_mirror", "requestMirror"),
    "RequestRedirect": ("request_redirect", "requestRedirect"),
    "URLRewrite": ("url_rewrite", "urlRewrite"),
    "CORS": ("cors", "cors"),
    "ExternalAuth": ("external_auth", "externalAuth"),
    "ExtensionRef": ("extension_ref", "extensionRef"),
}
"""The field of each type, as an attribute and as it is written."""
# The CRD's rules let these two be repeated; several mirrors are the feature HTTPRouteRequestMultipleMirrors.
_NOT_REPEATABLE = frozenset(_FIELDS) - {"RequestMirror", "ExtensionRef"}
Filters = Sequence[gw.HTTPRouteFilter]


def find_filter(filters: Filters, kind: str) -> gw.HTTPRouteFilter | None:
    """Return the filter of a type; None without one. Validation refuses a second one."""
    return next((candidate for candidate in filters if candidate.type == kind), None)


def filter_findings(about: Ref, path: str, filters: Filters) -> Iterator[Finding]:
    """Report what the API server rejects, in its words, and what Envoy would."""
    kinds = [spec.type for spec in filters]
    if "RequestRedirect" in kinds and "URLRewrite" in kinds:
        message = "May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both"
        yield Finding(about, "InvalidFilter", message, path)
    for repeated in sorted({kind for kind in kinds if kind in _NOT_REPEATABLE and kinds.count(kind) > 1}):
        yield Finding(about, "InvalidFilter", f"{repeated} filter cannot be repeated", path)
    for i, spec in enumerate(filters):
        filter_path = f"{path}[{i}]"
        for kind, (attribute, field) in _FIELDS.items():
            is_set = getattr(spec, attribute) is not None
            if is_set and spec.type != kind:
                message = f"filter.{field} must be nil if the filter.type is not {kind}"
                yield Finding(about, "InvalidFilter", message, f"{filter_path}.{field}")
            if not is_set and spec.type == kind:
                message = f"filter.{field} must be specified for {kind} filter.type"
                yield Finding(about, "InvalidFilter", message, filter_path)
        yield from _content_findings(about, filter_path, spec)


def _content_findings(about: Ref, path: str, spec: gw.HTTPRouteFilter) -> Iterator[Finding]:
    if spec.request_header_modifier is not None:
        yield from header_findings(about, f"{path}.requestHeaderModifier", spec.request_header_modifier)
    if spec.response_header_modifier is not None:
        yield from header_findings(about, f"{path}.responseHeaderModifier", spec.response_header_modifier)
    if spec.request_mirror is not None:
        yield from _mirror_findings(about, f"{path}.requestMirror", spec.request_mirror)
    for field, location in (("requestRedirect", spec.request_redirect), ("urlRewrite", spec.url_rewrite)):
        if location is not None:
            yield from _location_findings(about, f"{path}.{field}", location)
    if spec.cors is not None:
        yield from cors_findings(about, f"{path}.cors", spec.cors)
    if spec.external_auth is not None:
        yield from authorization_findings(about, f"{path}.externalAuth", spec.external_auth)


def _mirror_findings(about: Ref, path: str, spec: gw.HTTPRequestMirrorFilter) -> Iterator[Finding]:
    yield from backend_findings(about, f"{path}.backendRef", spec.backend_ref)
    if spec.percent is not None and spec.fraction is not None:
        message = "Only one of percent or fraction may be specified in HTTPRequestMirrorFilter"
        yield Finding(about, "InvalidMirror", message, path)
    if spec.fraction is not None and spec.fraction.numerator > spec.fraction.denominator:
        message = "numerator must be less than or equal to denominator"
        yield Finding(about, "InvalidMirror", message, f"{path}.fraction")


def _location_findings(
    about: Ref, path: str, spec: gw.HTTPRequestRedirectFilter | gw.HTTPURLRewriteFilter
) -> Iterator[Finding]:
    if spec.hostname and (problem := hostname_problem(spec.hostname, precise=True)):
        yield Finding(about, "InvalidHostname", problem, f"{path}.hostname")
    if spec.path is not None:
        yield from path_findings(about, f"{path}.path", spec.path)
