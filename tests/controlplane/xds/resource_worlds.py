"""Small worlds of resources for the protocol tests: clusters that use endpoints, listeners that use routes.

Bodies are JSON except for endpoints, so that the model proxy can read what a resource refers to.
"""

import json
from collections.abc import Iterable, Mapping

import msgspec
from envoy.config.endpoint.v3 import endpoint_pb2
from xxhash import xxh3_64_hexdigest

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, Resource, ResourceSet
from mirrorplane.controlplane.xds.versions import format_version, term

UNDECODABLE, UNUSABLE = 8, 9
"""Salts that the model proxy rejects: the first before it has applied anything, the second on its way through."""


class Item(msgspec.Struct, frozen=True):
    """One resource of a world: its content is what it uses and a salt."""

    salt: int = 0
    uses: tuple[str, ...] = ()

    @property
    def bad(self) -> bool:
        return self.salt in (UNDECODABLE, UNUSABLE)


World = Mapping[str, Mapping[str, Item]]
"""Items by type and name."""

SMALL: World = {
    CLUSTER: {"c1": Item(uses=("e1",)), "c2": Item(uses=("e2",))},
    ENDPOINT: {"e1": Item(), "e2": Item()},
    LISTENER: {"l1": Item(uses=("r1",))},
    ROUTE: {"r1": Item(uses=("c1", "c2"))},
}


def without(world: World, type_url: str, name: str) -> World:
    return {**world, type_url: {key: item for key, item in world[type_url].items() if key != name}}


def having(world: World, type_url: str, **items: Item) -> World:
    return {**world, type_url: {**world.get(type_url, {}), **items}}


def resource(type_url: str, name: str, item: Item) -> Resource:
    body = assignment(name, item.salt) if type_url == ENDPOINT else json.dumps([name, item.salt, item.uses]).encode()
    return Resource(type_url, name, xxh3_64_hexdigest(body), (body,), item.uses)


def name_of(body: bytes) -> str:
    return json.loads(body)[0]


def salt_of(type_url: str, body: bytes) -> int:
    if type_url == ENDPOINT:
        endpoints = endpoint_pb2.ClusterLoadAssignment.FromString(body).endpoints
        return endpoints[0].priority - 1 if endpoints else 0
    return json.loads(body)[1]


def uses_of(body: bytes) -> tuple[str, ...]:
    return tuple(json.loads(body)[2])


def assignment(name: str, salt: int) -> bytes:
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    message.endpoints.add().priority = salt + 1
    return message.SerializeToString()


def first_set(world: World) -> ResourceSet:
    return next_set(ResourceSet(0, {}, {}, 0), world)


def next_set(old: ResourceSet, world: World, *, skipped: int = 0) -> ResourceSet:
    """Return the set after `old`; `skipped` generations were never seen, so `changed` says nothing useful then."""
    built = {
        type_url: {name: resource(type_url, name, item) for name, item in items.items()}
        for type_url, items in world.items()
    }
    names = {type_url: {*old.of_type(type_url), *built.get(type_url, {})} for type_url in {*old.resources, *built}}
    changed = {
        type_url: frozenset(n for n in keys if old.of_type(type_url).get(n) != built.get(type_url, {}).get(n))
        for type_url, keys in names.items()
    }
    after = old.generation + skipped
    return ResourceSet(after + 1, built, {} if skipped else changed, after)


def content_version(versions: Iterable[tuple[str, str]]) -> str:
    """The version of (name, version) pairs, from scratch."""
    return format_version(sum(term(name, version) for name, version in versions))
