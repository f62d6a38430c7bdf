"""Many xDS clients in one process: they subscribe, accept everything, and count. Driven by `ClientProcess`.

Reads one line of JSON (`ClientsSpec`) from its standard input, and for each further line prints its counts.
It ends with its standard input.
"""

import os
import select
import sys
import time
from collections.abc import Iterable, Iterator

import msgspec
from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import discovery_pb2

from mirrorplane.api.resource import CLUSTER
from mirrorplane.api.wire import varint
from tests.bench.http2 import READ, WHOLE, Connection

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
EXTENSIONS = 516
"""As many as Envoy 1.40 names in the node it sends with the first request: about 60 KB."""
AHEAD = 1000
PAUSE_S = 0.001


class ClientsSpec(msgspec.Struct, frozen=True):
    """`subscribe` names the resources of each type; no names mean all of them. Streams are dealt out to namespaces.

    `held_clusters` are reported by each client in an old version, as one that reconnects does (delta only).
    """

    port: int
    streams: int
    connections: int
    delta: bool
    subscribe: dict[str, list[str]]
    namespaces: tuple[str, ...] = ("default",)
    core: int = 0
    held_clusters: tuple[str, ...] = ()


class Counts(msgspec.Struct):
    """`resources` counts those of messages small enough to be parsed. `cpu_s` is the processor time of this process."""

    messages: int = 0
    resources: int = 0
    size: int = 0
    closed: int = 0
    cpu_s: float = 0.0


class ClientStreams:
    """The streams, and their counts."""

    def __init__(self, spec: ClientsSpec) -> None:
        self.spec, self.counts = spec, Counts()
        self._acks = {url: _ack(spec, url) for url in spec.subscribe}
        self._buffer = bytearray(READ)
        self._poll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)

    def connect(self) -> None:
        """Open every stream, at most AHEAD before their answers: the kernel drops what its queue cannot hold."""
        method = ADS + ("DeltaAggregatedResources" if self.spec.delta else "StreamAggregatedResources")
        opened: list[Connection] = []
        for number in range(self.spec.streams):
            if number < self.spec.connections:
                opened.append(self._connection())
            connection = opened[number % self.spec.connections]
            stream = connection.open(number // self.spec.connections, method)
            for request in _requests(self.spec, number):
                connection.send(stream, request)
            while self._turn(0) and number - self.counts.messages > AHEAD:
                time.sleep(PAUSE_S)

    def _connection(self) -> Connection:
        connection = Connection("127.0.0.1", self.spec.port, self._buffer)
        self._connections[connection.socket.fileno()] = connection
        self._poll.register(connection.socket.fileno(), select.EPOLLIN)
        return connection

    def run(self) -> None:
        while self._turn(None):
            pass

    def _turn(self, timeout: float | None) -> bool:
        for fd, _ in self._poll.poll(timeout):
            if fd == sys.stdin.fileno():
                if not os.read(fd, 4096):
                    return False
                self._report()
            else:
                self._answer(self._connections[fd])
        return True

    def _answer(self, connection: Connection) -> None:
        for stream, size, message in connection.receive():
            type_url, nonce = tail(message, self._acks)
            connection.send(stream, self._acks[type_url] + _field(6 if self.spec.delta else 5, nonce))
            self.counts.messages += 1
            self.counts.size += size
            self.counts.resources += _count(message) if size <= WHOLE else 0
        if connection.ended:
            self._poll.unregister(connection.socket.fileno())

    def _report(self) -> None:
        self.counts.cpu_s = time.process_time()
        self.counts.closed = sum(len(connection.closed) for connection in self._connections.values())
        print(msgspec.json.encode(self.counts).decode(), flush=True)


def tail(message: bytes, type_urls: Iterable[str]) -> tuple[str, bytes]:
    """Return the type and the nonce of a response, which are its last fields but for removed names."""
    url, start = max(((url, message.rfind(url.encode())) for url in type_urls), key=lambda candidate: candidate[1])
    start += len(url)
    assert message[start] == 0x2A, "a nonce follows the type"
    return url, message[start + 2 : start + 2 + message[start + 1]]


def _requests(spec: ClientsSpec, number: int) -> Iterator[bytes]:
    """The first requests of a stream; only the very first carries the node."""
    node: base_pb2.Node | None = _node(spec.namespaces[number % len(spec.namespaces)], number)
    for type_url, names in spec.subscribe.items():
        if spec.delta:
            request = discovery_pb2.DeltaDiscoveryRequest(type_url=type_url, node=node, resource_names_subscribe=names)
            if type_url == CLUSTER:
                request.initial_resource_versions.update(dict.fromkeys(spec.held_clusters, "0" * 32))
        else:
            request = discovery_pb2.DiscoveryRequest(type_url=type_url, node=node, resource_names=names)
        node = None
        yield request.SerializeToString()


def _node(namespace: str, number: int) -> base_pb2.Node:
    ip = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    node = base_pb2.Node(id=f"sidecar~{ip}~bench-{number}.{namespace}~{namespace}.svc.cluster.local", cluster="bench")
    for index in range(EXTENSIONS):
        extension = node.extensions.add(name=f"envoy.filters.http.one_{index}", category="envoy.filters.http")
        extension.type_urls.append(f"envoy.extensions.filters.http.one_{index}.v3.One")
    return node


def _ack(spec: ClientsSpec, type_url: str) -> bytes:
    """The bytes before the nonce of an ACK. Without delta these are a version, and all subscribed names again."""
    if spec.delta:
        return _field(2, type_url.encode())
    names = b"".join(_field(3, name.encode()) for name in spec.subscribe[type_url])
    return _field(1, b"0" * 32) + names + _field(4, type_url.encode())


def _count(message: bytes) -> int:
    """Count the resources (field 2) of a response."""
    count = offset = 0
    while offset < len(message):
        tag, size, shift = message[offset], 0, 0
        offset += 1
        while True:
            byte = message[offset]
            offset += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        offset += size
        count += tag == 0x12
    return count


def _field(number: int, body: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(body)) + body


if __name__ == "__main__":
    spec = msgspec.json.decode(sys.stdin.buffer.raw.readline(), type=ClientsSpec)
    os.sched_setaffinity(0, {spec.core})
    client_streams = ClientStreams(spec)
    client_streams.connect()
    client_streams.run()
