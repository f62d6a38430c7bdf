"""The codes of `istioctl analyze` for our findings, where it has the same analysis.

https://istio.io/latest/docs/reference/config/analysis/ has the list.
"""

from mirrorplane.api.finding import Finding

_NOT_FOUND, _INVALID, _DEPRECATED = "IST0101", "IST0106", "IST0002"
_CODES = {
    "HostNotFound": _NOT_FOUND,
    "SubsetNotFound": _NOT_FOUND,
    "MirrorHostNotFound": _NOT_FOUND,
    "MirrorSubsetNotFound": _NOT_FOUND,
    "DelegateNotFound": _NOT_FOUND,
    "GatewayNotFound": _NOT_FOUND,
    "CredentialNotFound": _NOT_FOUND,
    "Deprecated": _DEPRECATED,
    "HostTaken": "IST0109",
    "PortAmbiguous": "IST0112",
    "GatewayConflict": "IST0145",
    "HostNotAtGateway": "IST0132",
    "InvalidCredential": "IST0161",
    "UnreachableRule": "IST0130",
    "UnreachableMatch": "IST0131",
    "ConflictingSidecarWorkloadSelectors": "IST0110",
    "MultipleSidecarsWithoutWorkloadSelectors": "IST0111",
    "NothingImported": _NOT_FOUND,
    "NoWorkloadSelected": _NOT_FOUND,
    "NoMatchingWorkloads": "IST0127",
    "SharedCertificate": "IST0138",
    "GatewayPortNotExposed": "IST0162",
    "ForwarderNotFound": _NOT_FOUND,
    "MisplacedAnnotation": "IST0107",
    "UnknownAnnotation": "IST0108",
    "PortNameUnclear": "IST0118",
    "NotVerified": "IST0128",
    "PortNotVerified": "IST0129",
    "AddressesRequired": "IST0134",
    "SubsetEmpty": "IST0173",
    "UnknownHost": "IST0174",
    "ProtocolConflict": "IST0177",
}
_REFUSED = frozenset(
    (
        *("InvalidHost", "InvalidDestination", "InvalidMatch", "InvalidMirror", "InvalidWeight", "InvalidDuration"),
        *("InvalidRule", "InvalidRedirect", "InvalidResponse", "InvalidRewrite", "InvalidHeader", "InvalidRetries"),
        *("InvalidFault", "InvalidCors", "InvalidDelegate", "InvalidSubset", "InvalidPort", "InvalidAddress"),
        *("InvalidEndpoint", "InvalidResolution", "DuplicateHost", "DuplicateSubset", "DuplicatePort", "WildcardHost"),
        *("EmptyConfiguration", "PortNeeded", "InvalidSelector", "InvalidMode"),
        *("NoHosts", "NoRoute", "TwoEndpointSources", "TooManyEndpoints", "EndpointsUnused", "NothingToResolve"),
        *("InvalidExportTo", "InvalidLocation", "InvalidName", "NoTemplate", "InvalidTls", "InvalidLoadBalancer"),
        *("InvalidHash", "InvalidLocality", "InvalidNumber", "InvalidUpgrade", "InvalidWarmup", "EmptyPolicy"),
        *("InvalidOutlierDetection", "InvalidRetryBudget", "NoServers", "InvalidCipher", "InvalidCurve"),
    )
)
_ISTIO = "networking.istio.io/"
_GATEWAY_API = "gateway.networking.k8s.io/"


def code_of(finding: Finding) -> str:
    """Return Istio's code of a finding, or "". Everything that Istio's validation refuses has the same code."""
    if finding.about.kind.startswith(_GATEWAY_API):
        return ""
    if finding.reason in _CODES:
        return _CODES[finding.reason]
    refused = finding.about.kind.startswith(_ISTIO) and finding.reason in _REFUSED
    return _INVALID if refused else ""
