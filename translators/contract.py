"""What a file must define to be an input, output, filter, check or report. No list is edited: see `discover`."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from types import ModuleType
from typing import Any, TypeVar

import msgspec

from mirrorplane.api.attachments import RouteAttachment
from mirrorplane.api.finding import Finding
from mirrorplane.api.gateways import Gateway
from mirrorplane.api.mesh import Lowered, Service
from mirrorplane.api.meta import AnyObject, Kind
from mirrorplane.api.proxy import Scope
from mirrorplane.api.resource import Resource
from mirrorplane.api.routes import Route, RouteTable
from mirrorplane.api.sidecar_scope import SidecarScope
from mirrorplane.api.status import Status
from mirrorplane.api.traffic_policy import TrafficPolicy
from mirrorplane.api.unenforced import UnenforcedPolicy
from mirrorplane.api.view import View


class Slot(IntEnum):
    """The order of HTTP filters in the chain, as in Istio. A new filter adds its slot; gaps leave room for it."""

    FAULT = 50
    CORS = 60
    AUTHORIZATION = 70
    SESSION = 80
    ROUTER = 90


class Input(msgspec.Struct, frozen=True):
    """One input API: the kinds it reads, how an object of them is lowered to mesh nouns, and indexes over them.

    `validate` sees one object alone, before it is stored: an ERROR rejects it, and its last good version stays in use.
    `lower` is called for valid objects only, and checks nothing again.
    """

    kinds: tuple[Kind, ...]
    lower: Callable[[View, AnyObject], Lowered]
    validate: Callable[[AnyObject], Iterable[Finding]] = lambda _: ()
    indexes: Mapping[str, Callable[[AnyObject], Iterable[str]]] = {}


class Output(msgspec.Struct, frozen=True):
    """One sort of resource; several make one xDS type. See decision 0057.

    `names` lists the resources of a scope, in groups: where one group of a long list changed, only that is compared.
    A name is listed once, and by one output of the type. `build` returns one resource, or None when it does not exist.
    It gets `cache_key(scope)`, the part of a scope that it depends on: scopes with equal keys share the resource.
    `serves` tells which scopes have any. `public`: resources of the type Secret that hold no secret; all others of that
    type are sent only to scopes with a router's service account (decisions 0026, 0133).
    """

    type_url: str
    names: Callable[[View, Scope], tuple[tuple[str, ...], ...]]
    build: Callable[[View, Any, str], Resource | None]
    cache_key: Callable[[Scope], Any] = lambda scope: scope
    serves: Callable[[Scope], bool] = lambda _: True
    public: bool = False


class Filter(msgspec.Struct, frozen=True):
    """One HTTP filter: its slot and Envoy's name, its entry in the chain, and its per-route configuration.

    `chain` returns None where the scope's chains do not have the filter, `route` where it has no configuration for a
    route. `disabled_by_default`: it is skipped, at no cost, except on routes with such a configuration.
    """

    slot: Slot
    name: str
    chain: Callable[[View, Scope], Any | None]
    route: Callable[[Route], Any | None] = lambda _: None
    disabled_by_default: bool = False


class Check(msgspec.Struct, frozen=True):
    """Findings about mesh nouns, and so about every input API that lowers to them.

    `table` gets a table as its object has it; what other objects attach to it is checked, and reported, at those, by
    `attachment`. `service` is called for services that users declare by hand, and not for Kubernetes' own, of which
    there are many.
    """

    table: Callable[[View, RouteTable], tuple[Finding, ...]] = lambda *_: ()
    attachment: Callable[[View, RouteAttachment], tuple[Finding, ...]] = lambda *_: ()
    policy: Callable[[View, TrafficPolicy], tuple[Finding, ...]] = lambda *_: ()
    gateway: Callable[[View, Gateway], tuple[Finding, ...]] = lambda *_: ()
    service: Callable[[View, Service], tuple[Finding, ...]] = lambda *_: ()
    sidecar_scope: Callable[[View, SidecarScope], tuple[Finding, ...]] = lambda *_: ()
    unenforced: Callable[[View, UnenforcedPolicy], tuple[Finding, ...]] = lambda *_: ()


class Report(msgspec.Struct, frozen=True):
    """The status of objects of some kinds; None where it is not ours to write."""

    kinds: tuple[Kind, ...]
    status: Callable[[View, Any], Status | None]


T = TypeVar("T")


def discover(package: ModuleType, attr: str, cls: type[T]) -> dict[str, T]:
    """Return what the modules of a package define as `attr`, by module name, in the order of names.

    Raises TypeError for a module that does not define it.
    """
    contracts: dict[str, T] = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        value = getattr(importlib.import_module(f"{package.__name__}.{module.name}"), attr, None)
        if not isinstance(value, cls):
            raise TypeError(f"{package.__name__}.{module.name} must define {attr}: {cls.__name__}")
        contracts[module.name] = value
    return contracts
