"""One request, byte by byte as it is said here, and its answer: no client library that tidies up on the way."""

import asyncio
from collections.abc import Sequence

import msgspec

Headers = Sequence[tuple[str, str]]


class RawResponse(msgspec.Struct, frozen=True):
    """An answer. Names of headers are lower case, in the order they came."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The values of a header joined by commas, None when there is none."""
        values = [value for key, value in self.headers if key == name]
        return ",".join(values) if values else None


async def send_raw(address: tuple[str, int], line: str, headers: Headers) -> RawResponse:
    """Send `GET /path` with headers over a connection of its own."""
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
