"""What an Engine has cached: production code never asks, tests check that nothing is kept for longer than needed."""

from typing import Any

from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.engine.engine import Call, Engine
from mirrorplane.controlplane.plane import Plane


def cached_calls(engine: Engine) -> tuple[Call, ...]:
    return tuple(engine._entries)


def idle_calls() -> set[tuple[str, Any]]:
    """The calls that a plane without objects and proxies has cached, as `named_calls` gives them."""
    plane = Plane(catalogue())
    plane._publish()
    return named_calls(plane.engine)


def named_calls(engine: Engine) -> set[tuple[str, Any]]:
    """The calls an Engine has cached, by name and arguments, so that those of two engines can be compared."""
    return {(call[0].__name__, call[1:]) for call in cached_calls(engine)}
