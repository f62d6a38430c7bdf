"""What an Engine has cached: production code never asks, tests check that nothing is kept for longer than needed."""

from mirrorplane.controlplane.engine.engine import Call, Engine


def cached_calls(engine: Engine) -> tuple[Call, ...]:
    return tuple(engine._entries)
