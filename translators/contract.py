"""What a file must fill in to be an input, an output, a filter, a check, a report. No list is edited: see discover."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from types import ModuleType
from typing import Any, TypeVar

import msgspec

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
from mirrorplane.api.view import View


class Slot(IntEnum):
    """Where an HTTP filter stands in the chain, first to last. A new filter adds its place (Istio's order)."""

    FAULT = 50
    CORS = 60
    AUTHORIZATION = 70
    SESSION = 80
    ROUTER = 90


class Input(msgspec.Struct, frozen=True):
    """One input API: the kinds it reads, the indexes it wants over them, and what an object of them means.

    `validate` looks at one object alone, before it is stored: an ERROR refuses it, and the one before goes on serving.
    What `lower` sees has passed; it needs no defence.
    """

    kinds: tuple[Kind, ...]
    lower: Callable[[View, AnyObject], Lowered]
    validate: Callable[[AnyObject], Iterable[Finding]] = lambda _: ()
    indexes: Mapping[str, Callable[[AnyObject], Iterable[str]]] = {}


class Output(msgspec.Struct, frozen=True):
    """One sort of resource: which of them a scope has, and one of them. `build` answers None for what does not exist.

    `names` come in groups without repeats, so that a long list that changes in one group is compared in one group; no
    other output of the type may use them. `key` is all of a scope that `build` asks for: scopes with equal keys share
    what is built. `serves`: which scopes have any. `public`: though it is of the type of secrets, it holds none; what
    is not goes only to scopes that hold a proved identity.
    """

    type_url: str
    names: Callable[[View, Scope], tuple[tuple[str, ...], ...]]
    build: Callable[[View, Any, str], Resource | None]
    key: Callable[[Scope], Any] = lambda scope: scope
    serves: Callable[[Scope], bool] = lambda _: True
    public: bool = False


class Filter(msgspec.Struct, frozen=True):
    """One HTTP filter: its place, its entry in the chain (None: not in this scope), what it has to say of a route.

    `asleep`: it does nothing, and costs nothing, but on routes that it has something to say of.
    """

    slot: Slot
    name: str
    chain: Callable[[View, Scope], Any | None]
    route: Callable[[Route], Any | None] = lambda _: None
    asleep: bool = False


class Check(msgspec.Struct, frozen=True):
    """Advice about what objects mean: findings on what is said, whatever API it was written in.

    `service` is asked about services that users declare by hand, and not about Kubernetes' own, which are many.
    """

    table: Callable[[View, RouteTable], tuple[Finding, ...]] = lambda *_: ()
    policy: Callable[[View, TrafficPolicy], tuple[Finding, ...]] = lambda *_: ()
    gateway: Callable[[View, Gateway], tuple[Finding, ...]] = lambda *_: ()
    service: Callable[[View, Service], tuple[Finding, ...]] = lambda *_: ()
    sidecar_scope: Callable[[View, SidecarScope], tuple[Finding, ...]] = lambda *_: ()


class Report(msgspec.Struct, frozen=True):
    """What is to stand in the status of objects of some kinds; None: it is not ours to write."""

    kinds: tuple[Kind, ...]
    status: Callable[[View, Any], Status | None]


T = TypeVar("T")


def discover(package: ModuleType, attr: str, cls: type[T]) -> dict[str, T]:
    """Return the contract of every module of a package, by module name, in name order.

    Raises TypeError for a module that does not define it.
    """
    found: dict[str, T] = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        value = getattr(importlib.import_module(f"{package.__name__}.{module.name}"), attr, None)
        if not isinstance(value, cls):
            raise TypeError(f"{package.__name__}.{module.name} must define {attr}: {cls.__name__}")
        found[module.name] = value
    return found
