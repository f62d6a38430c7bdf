"""A workload that speaks TLS only, with certificates for it and its clients."""

import ssl
from pathlib import Path

import msgspec
import trustme
from aiohttp import web


class TlsRequest(msgspec.Struct, frozen=True):
    """A received request, with the SNI of its TLS handshake."""

    path: str
    host: str
    sni: str
    certified: bool


class TlsWorkload:
    """A TLS server for some names, and the files (`ca`, `cert`, `key`) of a client that it trusts."""

    def __init__(self, folder: Path, *names: str, client_certificates: bool = False) -> None:
        authority = trustme.CA()
        self.ca, self.cert, self.key = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        client = authority.issue_cert("client.example.com")
        client.cert_chain_pems[0].write_to_path(str(self.cert))
        client.private_key_pem.write_to_path(str(self.key))
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(*names).configure_cert(self._tls)
        if client_certificates:
            authority.configure_trust(self._tls)
            self._tls.verify_mode = ssl.CERT_REQUIRED
        self._tls.sni_callback = self._record_sni
        self._names: dict[ssl.SSLObject, str] = {}
        self.requests: list[TlsRequest] = []
        self.port = 0

    def present(self, cert: Path, key: Path) -> None:
        """Present another certificate."""
        self._tls.load_cert_chain(cert, key)

    async def __aenter__(self) -> "TlsWorkload":
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def _record_sni(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        self._names[connection] = name or ""

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        connection = request.transport.get_extra_info("ssl_object")
        certified = bool(connection.getpeercert())
        self.requests.append(TlsRequest(request.path, request.headers["Host"], self._names[connection], certified))
        answer = web.Response(text="secured", headers={"X-Workload": "secured"})
        answer.force_close()  # the next request is verified anew
        return answer
