"""What a Gateway's server offers in a TLS handshake: cipher suites, curves, ALPN protocols.

One value that Envoy does not know would take the whole listener out of service, with the servers that share it.
"""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import gateway as istio
from mirrorplane.api.meta import Ref

_CIPHERS = frozenset(
    (
        *("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        *("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"),
        *("ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA"),
        *("AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA", "DES-CBC3-SHA"),
    )
)
# P-224 and X25519Kyber768Draft00 are Istio's too; Envoy 1.38 and 1.39 began to reject listeners with them (measured).
CURVES = ("X25519MLKEM768", "X25519", "P-256", "P-384", "P-521")
_LONGEST_PROTOCOL, _LONGEST_LIST = 255, (1 << 16) - 1
"""RFC 7301, section 3.1: of a name, and of all with a byte of length each. Envoy rejects longer lists (measured)."""


def ciphers_of(spec: istio.ServerTLSSettings) -> tuple[str, ...]:
    """Return the cipher suites that Envoy knows, each once."""
    return tuple(dict.fromkeys(cipher for cipher in spec.cipher_suites if cipher in _CIPHERS))


def curves_of(spec: istio.ServerTLSSettings) -> tuple[str, ...]:
    """Return the curves that every supported Envoy knows, each once: it rejects one that is listed twice."""
    return tuple(dict.fromkeys(curve for curve in spec.ecdh_curves if curve in CURVES))


def protocol_findings(about: Ref, path: str, spec: istio.ServerTLSSettings) -> Iterator[Finding]:
    """Refuse ALPN protocols that cannot be offered."""
    for i, protocol in enumerate(spec.alpn_protocols):
        # Envoy joins them by commas.
        if not 0 < len(protocol.encode()) <= _LONGEST_PROTOCOL or "," in protocol:
            message = f"{protocol!r} is not an ALPN protocol: use 1 to {_LONGEST_PROTOCOL} bytes, and no comma"
            yield Finding(about, "InvalidTls", message, f"{path}.alpnProtocols[{i}]")
    if sum(len(protocol.encode()) + 1 for protocol in spec.alpn_protocols) > _LONGEST_LIST:
        message = f"the protocols are longer than the {_LONGEST_LIST:,} bytes of a TLS handshake"
        yield Finding(about, "InvalidTls", message, f"{path}.alpnProtocols")


def parameter_advice(about: Ref, path: str, spec: istio.ServerTLSSettings) -> Iterator[Finding]:
    """Report cipher suites and curves that are left out."""
    yield from _cipher_advice(about, path, spec)
    yield from _curve_advice(about, path, spec)


def _cipher_advice(about: Ref, path: str, spec: istio.ServerTLSSettings) -> Iterator[Finding]:
    """Report cipher suites that Envoy does not know, and operators such as `-`. They are left out, as by Istio."""
    unknown = [cipher for cipher in spec.cipher_suites if cipher not in _CIPHERS]
    if unknown:
        remains = set(spec.cipher_suites) & _CIPHERS
        effect = "" if remains else "; no other is set, so Envoy's default suites are allowed"
        message = f"ignoring invalid cipher suites: {', '.join(unknown)}{effect}"
        fix = f"use some of {', '.join(sorted(_CIPHERS))}"
        yield Finding(about, "InvalidCipher", message, f"{path}.cipherSuites", Severity.WARNING, fix)


def _curve_advice(about: Ref, path: str, spec: istio.ServerTLSSettings) -> Iterator[Finding]:
    """Report curves that some Envoy rejects. They are left out: one would take the whole listener out of service."""
    unknown = [curve for curve in spec.ecdh_curves if curve not in CURVES]
    if unknown:
        effect = "" if set(spec.ecdh_curves) & set(CURVES) else "; no other is set, so Envoy's default curves are used"
        message = f"ignoring unsupported curves: {', '.join(unknown)}{effect}"
        fix = f"use some of {', '.join(CURVES)}"
        yield Finding(about, "InvalidCurve", message, f"{path}.ecdhCurves", Severity.WARNING, fix)
