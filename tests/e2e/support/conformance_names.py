"""Gateway API's conformance tests of Gateways, the features they require, and the tests here that cover them."""

from collections.abc import Mapping

_HTTP, _SETS, _TLS = "Gateway HTTPRoute", "Gateway ListenerSet", "Gateway TLSRoute"
_CLIENTS = f"{_HTTP} GatewayFrontendClientCertificateValidation"
_TO_BACKENDS = f"{_HTTP} GatewayBackendClientCertificate BackendTLSPolicy"
_BY_FEATURES: Mapping[str, str] = {
    "Gateway": """
        GatewayListenerUnsupportedProtocol GatewayInvalidParametersRef GatewayInvalidRouteKind
        GatewayInvalidTLSConfiguration GatewayModifyListeners GatewayNameMaximumLength GatewayObservedGenerationBump
        GatewayClassObservedGenerationBump""",
    "Gateway ReferenceGrant": """
        GatewaySecretInvalidReferenceGrant GatewaySecretMissingReferenceGrant GatewaySecretReferenceGrantAllInNamespace
        GatewaySecretReferenceGrantSpecific""",
    "Gateway GatewayInfrastructurePropagation": "GatewayInfrastructure",
    "Gateway GatewayAddressEmpty": "GatewayOptionalAddressValue",
    "Gateway GatewayStaticAddresses": "GatewayStaticAddresses",
    _HTTP: """
        GatewayWithAttachedRoutes HTTPRouteSimpleSameNamespace HTTPRouteCrossNamespace HTTPRouteMultipleGateways
        HTTPRouteExactPathMatching HTTPRoutePathMatchOrder HTTPRouteMatching HTTPRouteMatchingAcrossRoutes
        HTTPRouteHeaderMatching HTTPRouteHostnameIntersection HTTPRouteListenerHostnameMatching HTTPRouteHTTPSListener
        HTTPRouteInvalidBackendRefUnknownKind HTTPRouteInvalidNonExistentBackendRef
        HTTPRouteInvalidCrossNamespaceParentRef HTTPRouteInvalidParentRefNotMatchingSectionName HTTPRouteNoBackendRefs
        HTTPRouteObservedGenerationBump HTTPRouteRedirectHostAndStatus HTTPRouteRequestHeaderModifier
        HTTPRouteServiceTypes HTTPRouteWeight""",
    f"{_HTTP} ReferenceGrant": """
        HTTPRouteInvalidCrossNamespaceBackendRef HTTPRouteInvalidReferenceGrant
        HTTPRoutePartiallyInvalidViaInvalidReferenceGrant HTTPRouteReferenceGrant""",
    f"{_HTTP} TLSRoute": "HTTPRouteDisallowedKind",
    f"{_HTTP} GatewayPort8080": "GatewayWithAttachedRoutesWithPort8080",
    f"{_HTTP} GatewayHTTPListenerIsolation": "GatewayHTTPListenerIsolation",
    _CLIENTS: """
        GatewayFrontendClientCertificateValidation GatewayFrontendInvalidDefaultClientCertificateValidation
        GatewayInvalidFrontendClientCertificateValidation""",
    f"{_CLIENTS} GatewayFrontendClientCertificateValidationInsecureFallback": (
        "GatewayFrontendClientCertificateValidationInsecureFallback"
    ),
    _TO_BACKENDS: "GatewayInvalidTLSBackendConfiguration GatewayTLSBackendClientCertificate",
    **{f"{_HTTP} HTTPRoute{code}RedirectStatusCode": f"HTTPRoute{code}Redirect" for code in (303, 307, 308)},
    **{
        f"{_HTTP} HTTPRoute{name}": f"HTTPRoute{name}"
        for name in (
            "BackendProtocolH2C",
            "BackendProtocolWebSocket",
            "BackendRequestRedirect",
            "BackendURLRewrite",
            "CORS",
            "MethodMatching",
            "QueryParamMatching",
            "RequestMirror",
            "RequestMultipleMirrors",
            "RequestPercentageMirror",
            "Retry",
        )
    },
    f"{_HTTP} HTTPRouteBackendRequestHeaderModification": (
        "HTTPRouteBackendRequestHeaderModifier HTTPRouteRequestHeaderModifierBackendWeights"
    ),
    f"{_HTTP} GatewayHTTPSListenerDetectMisdirectedRequests": "HTTPRouteHTTPSListenerDetectMisdirectedRequests",
    f"{_HTTP} HTTPRouteDestinationPortMatching": "HTTPRouteInvalidParentRefNotMatchingListenerPort",
    f"{_HTTP} HTTPRouteParentRefPort": (
        "HTTPRouteInvalidParentRefSectionNameNotMatchingPort HTTPRouteListenerPortMatching"
    ),
    f"{_HTTP} HTTPRouteNamedRouteRule": "HTTPRouteNamedRule",
    f"{_HTTP} HTTPRoutePathRedirect": "HTTPRouteRedirectPath",
    f"{_HTTP} HTTPRoutePortRedirect": "HTTPRouteRedirectPort",
    f"{_HTTP} HTTPRoutePortRedirect GatewayPort8080": "HTTPRouteRedirectPortAndScheme",
    f"{_HTTP} HTTPRouteSchemeRedirect": "HTTPRouteRedirectScheme",
    f"{_HTTP} HTTPRouteResponseHeaderModification": "HTTPRouteResponseHeaderModifier",
    f"{_HTTP} HTTPRouteRetry HTTPRouteRetryConnectionError": "HTTPRouteRetryConnectionError",
    f"{_HTTP} HTTPRouteRetry HTTPRouteRetryBackendTimeout HTTPRouteRequestTimeout HTTPRouteBackendTimeout": (
        "HTTPRouteRetryWithTimeouts"
    ),
    f"{_HTTP} HTTPRouteHostRewrite": "HTTPRouteRewriteHost",
    f"{_HTTP} HTTPRoutePathRewrite": "HTTPRouteRewritePath",
    f"{_HTTP} HTTPRouteRequestTimeout": "HTTPRouteTimeoutRequest",
    f"{_HTTP} HTTPRouteBackendTimeout": "HTTPRouteTimeoutBackendRequest",
    f"{_HTTP} BackendTLSPolicy": """
        BackendTLSPolicy BackendTLSPolicyConflictResolution BackendTLSPolicyInvalidCACertificateRef
        BackendTLSPolicyInvalidKind BackendTLSPolicyObservedGenerationBump""",
    f"{_HTTP} BackendTLSPolicy BackendTLSPolicySANValidation": "BackendTLSPolicySANValidation",
    "Gateway GRPCRoute BackendTLSPolicy": "BackendTLSPolicyGRPCRoute",
    f"{_TLS} TLSRouteModeTerminate BackendTLSPolicy": "BackendTLSPolicyTLSRouteTerminate",
    _SETS: """
        ListenerSetAllowedNamespaceNone ListenerSetAllowedNamespaceSame ListenerSetAllowedNamespaceSelector
        ListenerSetDefaultNotAllowed ListenerSetHostnameConflict ListenerSetProtocolConflict""",
    f"{_SETS} ReferenceGrant": "ListenerSetReferenceGrant",
    f"{_SETS} HTTPRoute": """
        ListenerSetAllowedRoutesNamespaces ListenerSetDualParentRefIndependence
        ListenerSetGatewayParentSectionNameNotFound ListenerSetHTTPRouting ListenerSetRouteStatusScopedToParentRef""",
    f"{_SETS} HTTPRoute TLSRoute": "ListenerSetAllowedRoutesSupportedKinds",
    "Gateway GRPCRoute": """
        GRPCExactMethodMatching GRPCRouteHeaderMatching GRPCRouteListenerHostnameMatching GRPCRouteWeight""",
    "Gateway GRPCRoute GRPCRouteNamedRouteRule": "GRPCRouteNamedRule",
    "Gateway GRPCRoute GRPCRouteRequestHeaderModifier": "GRPCRouteRequestHeaderModifier",
    _TLS: """
        TLSRouteHostnameIntersection TLSRouteInvalidBackendRefNonexistent TLSRouteInvalidBackendRefUnknownKind
        TLSRouteInvalidNoMatchingListener TLSRouteInvalidNoMatchingListenerHostname
        TLSRouteListenerPassthroughSupportedKinds TLSRouteListenerTerminateNotSupported TLSRouteSimpleSameNamespace""",
    f"{_TLS} ReferenceGrant": "TLSRouteInvalidReferenceGrant",
    f"{_TLS} TLSRouteModeTerminate": """
        TLSRouteListenerTerminateSupportedKinds TLSRouteListenerMixedTerminationNotSupported
        TLSRouteTerminateSimpleSameNamespace""",
    f"{_TLS} TLSRouteModeTerminate TLSRouteModeMixed": "TLSRouteMixedTerminationSameNamespace",
    "Gateway TCPRoute": """
        TCPRouteMultipleRoutesAttachment TCPRouteInvalidBackendRefNonexistent TCPRouteInvalidNonTCPListener
        TCPRouteParentRefAttachAll TCPRouteParentRefPortAndSectionName TCPRouteWeightedRouting""",
    "Gateway TCPRoute ReferenceGrant": "TCPRouteInvalidCrossNamespaceBackendRef TCPRouteReferenceGrant",
    "Gateway UDPRoute": """
        UDPRoute UDPRouteInvalidBackendRefNonexistent UDPRouteMultipleRoutesAttachment UDPRouteNotAllowedByListeners
        UDPRouteParentRefAttachAllListeners UDPRouteParentRefPortAndSectionName UDPRouteWeightedRouting""",
    "Gateway UDPRoute ReferenceGrant": "UDPRouteInvalidCrossNamespaceBackendRef UDPRouteReferenceGrant",
}
REQUIRED_FEATURES: Mapping[str, frozenset[str]] = {
    name: frozenset(features.split()) for features, names in _BY_FEATURES.items() for name in names.split()
}
"""The features that a conformance test requires."""

NOT_APPLICABLE: Mapping[str, str] = {
    "GatewayInfrastructure": "a Gateway creates no workload that could get labels: routers are deployed by the user",
    "TLSRouteListenerTerminateNotSupported": "for implementations without TLS termination",
    "TLSRouteListenerMixedTerminationNotSupported": "for implementations that cannot mix modes on a port",
}
"""Conformance tests that do not apply, and why."""

_CHANGES, _L4, _RULES = "gateway_api.test_changes", "gateway_api.test_l4", "gateway_api.test_rules"
_CERTIFICATES, _BACKEND_TLS = "gateway_api.test_certificates", "gateway_api.test_tls"
_ALL_CHANGES = "test_listeners_are_added_and_removed_and_addresses_are_those_of_the_router"
TESTED_ELSEWHERE: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(
        (
            "GatewayModifyListeners",
            "GatewayStaticAddresses",
            "GatewayOptionalAddressValue",
            "GatewayObservedGenerationBump",
            "GatewayClassObservedGenerationBump",
            "HTTPRouteObservedGenerationBump",
            "BackendTLSPolicyObservedGenerationBump",
        ),
        (_CHANGES, _ALL_CHANGES),
    ),
    "GatewayNameMaximumLength": (_CHANGES, "test_a_gateway_may_have_the_longest_name"),
    **{
        f"GatewayFrontendClientCertificateValidation{mode}": (
            _CERTIFICATES,
            "test_client_certificates_are_required_as_configured_for_the_port",
        )
        for mode in ("", "InsecureFallback")
    },
    "GatewayTLSBackendClientCertificate": (
        _CERTIFICATES,
        "test_the_client_certificate_of_the_gateway_is_presented_to_backends",
    ),
    "HTTPRouteHTTPSListenerDetectMisdirectedRequests": (
        _CERTIFICATES,
        "test_a_misdirected_request_is_answered_421",
    ),
    "HTTPRouteBackendProtocolH2C": (
        "gateway_api.test_features_grpc",
        "test_http1_requests_are_forwarded_as_http2_to_an_h2c_port",
    ),
    "HTTPRouteBackendProtocolWebSocket": (_RULES, "test_web_sockets_and_http2_go_to_ports_with_that_app_protocol"),
    "HTTPRouteCORS": (_RULES, "test_cors_headers_are_sent_to_allowed_origins"),
    "HTTPRouteRetry": (_RULES, "test_failed_requests_are_retried_as_often_as_the_rule_says"),
    "HTTPRouteRetryWithTimeouts": (_RULES, "test_failed_requests_are_retried_as_often_as_the_rule_says"),
    "HTTPRouteRetryConnectionError": (_RULES, "test_reset_connections_are_retried"),
    "BackendTLSPolicy": (_BACKEND_TLS, "test_requests_and_copies_go_to_backends_over_tls"),
    "BackendTLSPolicySANValidation": (_BACKEND_TLS, "test_a_backend_is_verified_by_a_uri_san"),
    "GRPCRouteWeight": ("gateway_api.test_grpc", "test_the_share_of_a_missing_backend_is_unavailable"),
    "TCPRouteWeightedRouting": (_L4, "test_tcp_is_split_by_weight_and_closed_without_a_grant"),
    "UDPRouteWeightedRouting": (_L4, "test_udp_is_split_by_weight_and_dropped_without_a_grant"),
}
"""Conformance tests covered by a test of their own: module and name."""
