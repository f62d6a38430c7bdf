"""The filters of a rule, and of a backend: what of them is done, and what is wrong with them."""

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
_ONCE = frozenset(_FIELDS) - {"RequestMirror", "ExtensionRef"}
Filters = Sequence[gw.HTTPRouteFilter]


def only(filters: Filters, kind: str) -> gw.HTTPRouteFilter | None:
    """Return the filter of a type, if there is one."""
    return next((one for one in filters if one.type == kind), None)


def filter_findings(about: Ref, path: str, filters: Filters) -> Iterator[Finding]:
    """Refuse what the API server refuses, and what Envoy would."""
    kinds = [one.type for one in filters]
    if "RequestRedirect" in kinds and "URLRewrite" in kinds:
        message = "May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both"
        yield Finding(about, "InvalidFilter", message, path)
    for repeated in sorted({kind for kind in kinds if kind in _ONCE and kinds.count(kind) > 1}):
        yield Finding(about, "InvalidFilter", f"{repeated} filter cannot be repeated", path)
    for i, one in enumerate(filters):
        where = f"{path}[{i}]"
        for kind, (attribute, field) in _FIELDS.items():
            given = getattr(one, attribute) is not None
            if given and one.type != kind:
                message = f"filter.{field} must be nil if the filter.type is not {kind}"
                yield Finding(about, "InvalidFilter", message, f"{where}.{field}")
            if not given and one.type == kind:
                message = f"filter.{field} must be specified for {kind} filter.type"
                yield Finding(about, "InvalidFilter", message, where)
        yield from _contents(about, where, one)


def _contents(about: Ref, path: str, said: gw.HTTPRouteFilter) -> Iterator[Finding]:
    if said.request_header_modifier is not None:
        yield from header_findings(about, f"{path}.requestHeaderModifier", said.request_header_modifier)
    if said.response_header_modifier is not None:
        yield from header_findings(about, f"{path}.responseHeaderModifier", said.response_header_modifier)
    if said.request_mirror is not None:
        yield from _mirror_findings(about, f"{path}.requestMirror", said.request_mirror)
    for field, one in (("requestRedirect", said.request_redirect), ("urlRewrite", said.url_rewrite)):
        if one is not None:
            yield from _place_findings(about, f"{path}.{field}", one)
    if said.cors is not None:
        yield from cors_findings(about, f"{path}.cors", said.cors)
    if said.external_auth is not None:
        yield from authorization_findings(about, f"{path}.externalAuth", said.external_auth)


def _mirror_findings(about: Ref, path: str, said: gw.HTTPRequestMirrorFilter) -> Iterator[Finding]:
    yield from backend_findings(about, f"{path}.backendRef", said.backend_ref)
    if said.percent is not None and said.fraction is not None:
        message = "Only one of percent or fraction may be specified in HTTPRequestMirrorFilter"
        yield Finding(about, "InvalidMirror", message, path)
    if said.fraction is not None and said.fraction.numerator > said.fraction.denominator:
        message = "numerator must be less than or equal to denominator"
        yield Finding(about, "InvalidMirror", message, f"{path}.fraction")


def _place_findings(
    about: Ref, path: str, said: gw.HTTPRequestRedirectFilter | gw.HTTPURLRewriteFilter
) -> Iterator[Finding]:
    if said.hostname and (problem := hostname_problem(said.hostname, precise=True)):
        yield Finding(about, "InvalidHostname", problem, f"{path}.hostname")
    if said.path is not None:
        yield from path_findings(about, f"{path}.path", said.path)
