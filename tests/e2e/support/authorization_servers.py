"""External authorization servers for the tests: one for HTTP, one for Envoy's gRPC API."""

import grpc
from aiohttp import web
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from envoy.type.v3.http_status_pb2 import HttpStatus

GOOD_TOKEN = "Bearer good"


class HttpAuthServer:
    """Allows requests with the good token. `checks` are the request lines, headers and bodies that it received."""

    def __init__(self) -> None:
        self.checks: list[tuple[str, dict[str, str], bytes]] = []
        self.port = 0

    async def __aenter__(self) -> "HttpAuthServer":
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.checks.append((f"{request.method} {request.raw_path}", headers, await request.read()))
        allowed = headers.get("authorization") == GOOD_TOKEN
        return web.Response(status=200 if allowed else 401, headers={"X-User": "joe", "X-Said": "no"}, text="seen")


class GrpcAuthServer:
    """The same over gRPC."""

    def __init__(self) -> None:
        self.checks: list[CheckRequest] = []
        self.port = 0

    async def __aenter__(self) -> "GrpcAuthServer":
        self._server = grpc.aio.server()
        method = grpc.unary_unary_rpc_method_handler(
            self._check, CheckRequest.FromString, CheckResponse.SerializeToString
        )
        service = grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", {"Check": method})
        self._server.add_generic_rpc_handlers([service])
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)

    async def _check(self, request: CheckRequest, _: object) -> CheckResponse:
        self.checks.append(request)
        answer = CheckResponse()
        if request.attributes.request.http.headers.get("authorization") == GOOD_TOKEN:
            answer.ok_response.headers.add().header.key = "x-user"
            answer.ok_response.headers[0].header.value = "joe"
        else:
            answer.status.code = grpc.StatusCode.PERMISSION_DENIED.value[0]
            answer.denied_response.status.CopyFrom(HttpStatus(code=403))
        return answer
