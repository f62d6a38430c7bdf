"""When statuses are updated: after events, whatever an earlier update raised."""

import asyncio

import pytest

from mirrorplane.controlplane import status_updater
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.events.events import StatusChanged
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.status_updater import StatusUpdater
from tests.builders import objects
from tests.gateway_manifests import gateway


async def test_an_update_that_raises_does_not_stop_later_ones(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(status_updater, "_QUIET_S", 0.0)
    plane, failures = Plane(catalogue()), [ValueError("a bug")]
    refresh = plane.statuses.refresh

    def fail_once(*args: object) -> object:
        if failures:
            raise failures.pop()
        return refresh(*args)

    monkeypatch.setattr(plane.statuses, "refresh", fail_once)
    updating = asyncio.create_task(StatusUpdater(plane, lambda: ()).run())
    await asyncio.sleep(0)
    with plane.events.subscribe(StatusChanged) as subscription:
        for obj in objects(gateway({})):
            plane.store.apply(obj.ref, obj)
        await plane.publish()
        assert await subscription.take(10)
    assert "statuses could not be updated" in caplog.text
    updating.cancel()
