"""One HTTP/1.1 request, byte for byte, and its response: no client library that normalizes either."""

import asyncio
from collections.abc import Sequence

import msgspec

Headers = Sequence[tuple[str, str]]


class RawResponse(msgspec.Struct, frozen=True):
    """A response. Header names are lower case, in order of arrival."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The values of a header joined by commas, None if absent."""
        values = [value for key, value in self.headers if key == name]
        return ",".join(values) if values else None


async def send_raw(address: tuple[str, int], line: str, headers: Headers) -> RawResponse:
    """Send a request line and headers over a new connection; return the response."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        head = [f"{line} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "connection: close", "", ""]
        writer.write("\r\n".join(head).encode("latin-1"))
        head_text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").removesuffix("\r\n\r\n")
        status_line, *lines = head_text.split("\r\n")
        pairs = (line.partition(":") for line in lines)
        answer = RawResponse(
            int(status_line.split()[1]), tuple((name.lower(), value.strip()) for name, _, value in pairs), b""
        )
        body = await reader.readexactly(int(answer.header("content-length") or 0))  # Envoy closes a second later
        return msgspec.structs.replace(answer, body=body)
    finally:
        writer.close()
