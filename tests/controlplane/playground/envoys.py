"""What only tests ask of an Envoy and of a stage."""

import json
from typing import Any

from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.playground.proxy import EnvoyProcess
from mirrorplane.controlplane.playground.stage import Stage, file_name


async def until_listening(envoy: EnvoyProcess, name: str) -> int:
    """Return a listener's port once it accepts connections. Raises EnvoyFailedError after the deadline."""

    async def is_listening() -> bool:
        return name in await envoy.listeners()

    await envoy.until(f"listener {name} is listening", is_listening)
    return (await envoy.listeners())[name]


async def config_dump(envoy: EnvoyProcess) -> dict[str, Any]:
    """Return the configuration in use, with endpoints."""
    return dict(json.loads(await envoy.get("/config_dump?include_eds")))


async def delete_object(stage: Stage, ref: Ref) -> None:
    """Do what `kubectl delete` does, and wait until every proxy has what follows from it."""
    (stage.folder / file_name(ref)).unlink()
    await stage.until(
        lambda: stage.published(lambda objects: ref not in objects), f"the removal of {ref} was published"
    )
    await stage.settled()
