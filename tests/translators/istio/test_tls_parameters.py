"""What a Gateway's server may offer in a TLS handshake."""

import pytest

from mirrorplane.api.kinds.istio.gateway import ServerTLSSettings
from mirrorplane.api.meta import Ref
from mirrorplane.translators.istio.tls_parameters import curves_of, protocol_findings

ABOUT = Ref("networking.istio.io/Gateway", "default", "edge")


@pytest.mark.parametrize(
    ("protocols", "paths"),
    [
        (["h2", "http/1.1"], []),
        (["h2", ""], ["tls.alpnProtocols[1]"]),
        (["h2,http/1.1"], ["tls.alpnProtocols[0]"]),
        (["a" * 256], ["tls.alpnProtocols[0]"]),
        (["a" * 254] * 257, []),
        (["a" * 255] * 256, ["tls.alpnProtocols"]),
    ],
)
def test_alpn_protocols_that_cannot_be_offered_are_refused(protocols: list[str], paths: list[str]):
    settings = ServerTLSSettings(alpn_protocols=tuple(protocols))
    assert [finding.path for finding in protocol_findings(ABOUT, "tls", settings)] == paths


def test_curves_are_offered_once_and_only_those_of_every_envoy():
    curves = ("X25519", "P-224", "P-256", "X25519", "X25519Kyber768Draft00")
    assert curves_of(ServerTLSSettings(ecdh_curves=curves)) == ("X25519", "P-256")
