"""The metrics of expiring certificates: the server's own, and those of Secrets."""

from datetime import UTC, datetime
from pathlib import Path

import trustme

from mirrorplane.controlplane.app import App, ServeOptions
from mirrorplane.controlplane.identity.authoriser import Security
from mirrorplane.controlplane.identity.certificates import TlsFiles
from mirrorplane.controlplane.observe.metrics import Metrics
from mirrorplane.controlplane.settings import Address
from tests import fast_yaml as yaml
from tests.builders import plane_of

ANY = Address("127.0.0.1", 0)
SOON, LATER = datetime(2100, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
OWN = "mirrorplane_certificate_expiry_timestamp_seconds"
OF_SECRETS = "mirrorplane_secret_certificate_expiry_timestamp_seconds"


def write(certificate: trustme.LeafCert, chain: Path, key: Path) -> None:
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())


def secret(name: str, **entries: bytes) -> str:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "shop"}}
    text: str = yaml.safe_dump({**manifest, "stringData": {key: value.decode() for key, value in entries.items()}})
    return text


async def test_the_servers_certificates_are_those_of_the_files_as_they_are_now(tmp_path: Path):
    authority = trustme.CA()
    chain, key, ca = tmp_path / "cert", tmp_path / "key", tmp_path / "ca"
    authority.cert_pem.write_to_path(ca)
    write(authority.issue_cert("localhost", not_after=SOON), chain, key)
    app = App(ServeOptions((), ANY, ANY, security=Security(TlsFiles(chain, key, ca))))
    value = app.metrics.registry.get_sample_value
    assert value("mirrorplane_tls_handshakes_total") == 0
    assert value(OWN, {"certificate": "server"}) == SOON.timestamp()
    assert value(OWN, {"certificate": "client_ca"}) == datetime(3000, 1, 1, tzinfo=UTC).timestamp()

    write(authority.issue_cert("localhost", not_after=LATER), chain, key)
    assert value(OWN, {"certificate": "server"}) == LATER.timestamp()
    chain.write_text("none")
    assert value(OWN, {"certificate": "server"}) == LATER.timestamp(), "the last good one stays in use"


async def test_a_secret_expires_with_its_first_certificate():
    authority = trustme.CA()
    issued = authority.issue_cert("web.example.com", not_after=SOON)
    chain = issued.cert_chain_pems[0].bytes() + authority.cert_pem.bytes()
    manifests = (
        secret("web", cert=chain, key=issued.private_key_pem.bytes()),
        secret("clients", cacert=authority.cert_pem.bytes()),
        secret("password", cacert=b"no certificate", password=b"x"),
    )
    metrics = Metrics(await plane_of("---\n".join(manifests)))
    families = {family.name: family for family in metrics.registry.collect()}
    expiries = {sample.labels["name"]: sample.value for sample in families[OF_SECRETS].samples}
    assert expiries == {"web": SOON.timestamp(), "clients": datetime(3000, 1, 1, tzinfo=UTC).timestamp()}
    assert families[OF_SECRETS].samples[0].labels["namespace"] == "shop"
    assert families[OWN].samples == [], "the server has no certificate"
