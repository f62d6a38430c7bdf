"""What a status sink is given: changes only, built on what others wrote."""

from collections.abc import Iterator

from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.status.cache import StatusCache
from mirrorplane.controlplane.status.conditions import Plain
from tests.builders import objects, plane_of

NOW = "2026-01-01T00:00:00Z"
CLASS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ours}
spec: {controllerName: mirrorplane.io/gateway-controller}
"""
OTHERS = {"lastTransitionTime": NOW, "observedGeneration": 1, "message": "", "reason": "Valid", "status": "True"}


class SharedSink:
    """A sink like an API server: it remembers every write, and somebody else has written a condition before."""

    def __init__(self) -> None:
        self.written: list[tuple[Ref, Plain | None]] = []
        self.held: dict[Ref, Plain] = {}

    def read(self, ref: Ref) -> Plain:
        return self.held.get(ref, {"conditions": [{**OTHERS, "type": "example.com/Audited"}]})

    def write(self, ref: Ref, status: Plain | None) -> None:
        self.written.append((ref, status))
        if status is None:
            self.held.pop(ref)
        else:
            self.held[ref] = status

    def statuses(self) -> Iterator[tuple[Ref, Plain]]:
        yield from self.held.items()


async def test_a_sink_is_given_what_changes_and_keeps_what_others_wrote():
    plane, sink = await plane_of(CLASS), SharedSink()
    statuses = StatusCache(plane.engine, sink)

    def refresh() -> None:
        statuses.mark_due(plane.snapshot, plane.engine.touched)
        statuses.refresh(plane.engine.view, plane.snapshot, None, NOW)

    refresh()
    [(ref, status)] = sink.written
    assert [condition["type"] for condition in status["conditions"]] == ["example.com/Audited", "Accepted"]
    assert list(statuses.statuses()) == [(ref, status)]
    refresh()
    assert len(sink.written) == 1, "an equal status is not written again"
    [obj] = objects(CLASS)
    plane.store.apply(obj.ref, None)
    await plane.publish()
    refresh()
    assert sink.written[1:] == [(ref, None)]
