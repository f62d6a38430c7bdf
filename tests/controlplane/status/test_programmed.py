"""What proxies make of a status: Programmed, addresses."""

from collections.abc import Sequence

import msgspec
import pytest

from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import Proxy, Scope, Visibility
from mirrorplane.api.resource import LISTENER, ROUTE
from mirrorplane.api.status import PROGRAMMED, TRUE, Condition, Section, Status
from mirrorplane.controlplane.status.programmed import ProgrammedState, apply_deliveries, deliveries_by_object
from mirrorplane.controlplane.xds.status import StreamStatus, TypeStatus
from mirrorplane.translators.routers.servers import unserved_servers
from mirrorplane.translators.scopes import criteria, scope_of
from mirrorplane.translators.status import status_of
from tests.builders import plane_of
from tests.gateway_manifests import EDGE, GROUP, gateway, services
from tests.translators.gateway_api.gateway.test_certificates import secret

PROGRAMMED_TRUE = Condition(PROGRAMMED, TRUE, PROGRAMMED)
STATUS = Status(
    (Condition("Accepted", TRUE, "Accepted"), PROGRAMMED_TRUE),
    sections=tuple(
        Section("listeners", {"name": str(port)}, (PROGRAMMED_TRUE,), place=f"_{port}") for port in (80, 8080)
    ),
)
FIRST, SECOND = ProgrammedState("a.default", "127.0.0.1", True), ProgrammedState("b.default", "127.0.0.2", True)
SLOW = ProgrammedState("c.default", "127.0.0.3", False)
REFUSES = ProgrammedState("d.default", "127.0.0.4", True, ("Listener: adding 127.0.0.4_80: address in use",))
CANNOT = ProgrammedState("e.default", "127.0.0.5", True, ("Cluster: no",))


def brief(condition: Condition) -> str:
    return f"{condition.status} {condition.reason}"


CASES = [
    (None, "Unknown Pending", ("Unknown Pending", "Unknown Pending")),
    ((), "False Pending", ("False Pending", "False Pending")),
    ((FIRST, SECOND), "True Programmed", ("True Programmed", "True Programmed")),
    ((FIRST, SLOW), "False Pending", ("False Pending", "False Pending")),
    ((FIRST, REFUSES), "False Invalid", ("False Invalid", "True Programmed")),
    ((FIRST, CANNOT), "False Invalid", ("False Invalid", "False Invalid")),
    ((SLOW, REFUSES), "False Invalid", ("False Invalid", "True Programmed")),
]


@pytest.mark.parametrize(("deliveries", "summary", "listeners"), CASES)
def test_programmed_is_what_every_proxy_has_accepted(
    deliveries: Sequence[ProgrammedState] | None, summary: str, listeners: tuple[str, str]
):
    status = apply_deliveries(STATUS, deliveries)
    assert status.conditions[0] is STATUS.conditions[0]
    assert brief(status.conditions[1]) == summary
    assert tuple(brief(section.conditions[0]) for section in status.sections) == listeners


def test_a_rejection_is_reported_in_envoys_words():
    condition = apply_deliveries(STATUS, (FIRST, REFUSES)).conditions[1]
    assert condition.message == "d.default rejects Listener: adding 127.0.0.4_80: address in use"
    assert "c.default" in apply_deliveries(STATUS, (FIRST, SLOW)).conditions[1].message


def test_addresses_are_those_of_the_proxies_limited_to_requested_ones():
    both = [{"type": "IPAddress", "value": ip} for ip in ("127.0.0.1", "127.0.0.2")]
    assert apply_deliveries(Status(STATUS.conditions, addresses=()), (FIRST, SECOND)).facts["addresses"] == both
    requested = Status(STATUS.conditions, addresses=("127.0.0.2", ""))
    assert apply_deliveries(requested, (FIRST, SECOND)).facts["addresses"] == both[1:]
    for addresses, usable in (("10.0.0.9",), []), (("127.0.0.1", "10.0.0.9"), both[:1]):
        status = apply_deliveries(Status(STATUS.conditions, addresses=addresses), (FIRST, SECOND))
        assert (brief(status.conditions[1]), status.facts["addresses"]) == ("False AddressNotUsable", usable)
        assert status.conditions[1].message == "no connected proxy has the address 10.0.0.9"
    refused = Status((Condition(PROGRAMMED, "False", "Invalid"),), addresses=())
    assert apply_deliveries(refused, (FIRST,)).facts == {"addresses": []}, "old addresses are removed"
    assert "addresses" not in apply_deliveries(STATUS, (FIRST,)).facts, "a ListenerSet has none"


def test_what_cannot_be_programmed_does_not_depend_on_proxies():
    invalid = Status((Condition(PROGRAMMED, "False", "Invalid", "why"),))
    assert apply_deliveries(invalid, (FIRST,)).conditions == invalid.conditions
    assert apply_deliveries(Status((Condition("Accepted", TRUE, "Accepted"),)), None).conditions[0].status == TRUE


def test_deliveries_are_by_gateway_and_a_proxy_may_have_many_streams():
    edge, till = Ref("g/Gateway", "default", "edge"), Ref("g/Gateway", "default", "till")
    scope = Scope("router", Visibility("default"), gateways=(edge, till))
    proxy = Proxy("router", "a", "default", ip="127.0.0.9")

    def stream(type_url: str, nack: str | None = None, *, pending: bool = False) -> tuple[StreamStatus, Scope]:
        type_status = TypeStatus(type_url, "1", "1", nack, True, 0, False, pending, 1)
        return StreamStatus(proxy, "sotw", 0, (type_status,)), scope

    deliveries = deliveries_by_object([stream(LISTENER, pending=True), stream(ROUTE, "bad")])
    expected = ProgrammedState("a.default", "127.0.0.9", False, ("RouteConfiguration: bad",))
    assert deliveries == {edge: [expected], till: [expected]}
    (moving,) = deliveries_by_object([stream(LISTENER), stream(ROUTE, pending=True)])[edge]
    assert moving.settled, "a route that is in flight does not make a Gateway unprogrammed"
    sidecar = (StreamStatus(Proxy("sidecar", "s", "default"), "sotw", 0, ()), Scope("sidecar", Visibility("default")))
    assert deliveries_by_object([sidecar]) == {}


def test_a_listener_that_a_proxy_does_not_serve_is_not_programmed():
    not_serving = ProgrammedState("f.default", "127.0.0.6", True, unserved={"80": "it cannot listen there"})
    status = apply_deliveries(STATUS, (FIRST, not_serving))
    assert [brief(section.conditions[0]) for section in status.sections] == ["False Invalid", "True Programmed"]
    assert status.sections[0].conditions[0].message == "listener not served by f.default: it cannot listen there"
    assert brief(status.conditions[1]) == "True Programmed"
    nothing_served = apply_deliveries(
        STATUS, (msgspec.structs.replace(not_serving, unserved={"80": "a", "8080": "b"}),)
    )
    assert brief(nothing_served.conditions[1]) == "False Invalid"


async def test_a_listener_that_a_router_cannot_serve_is_not_programmed():
    tls = {"port": 8443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "web"}]}}
    plane = await plane_of("---\n".join([gateway({}, {"port": 8080}, tls), secret("web"), services("web")]))
    view = plane.engine.view
    proxy = msgspec.structs.replace(EDGE, unprivileged=True)
    stream = StreamStatus(proxy, "sotw", 0, (TypeStatus(LISTENER, "1", "1", None, True, 0, False, False, 1),))
    edge = Ref(f"{GROUP}/Gateway", "default", "edge")
    ((ref, [delivery]),) = deliveries_by_object(
        [(stream, scope_of(proxy, view.memo(criteria)))], lambda s: unserved_servers(view, s)
    ).items()
    assert (ref, list(delivery.unserved)) == (edge, ["l0", "l2"])
    assert "port 80" in delivery.unserved["l0"]
    assert "not authenticated" in delivery.unserved["l2"]
    status = status_of(view, edge)
    assert status is not None
    applied = apply_deliveries(status, (delivery,))
    parts = [c.status for section in applied.sections for c in section.conditions if c.type == PROGRAMMED]
    assert parts == ["False", TRUE, "False"]


def test_listeners_of_one_number_for_tcp_and_udp_are_told_apart():
    both = tuple(Section("listeners", {"name": place}, (PROGRAMMED_TRUE,), place=place) for place in ("_53", "_53_udp"))
    for name, parts in (("127.0.0.4_53_udp", [TRUE, "False"]), ("127.0.0.4_53", ["False", TRUE])):
        refuses = ProgrammedState("d.default", "127.0.0.4", True, (f"Listener: adding {name}: address in use",))
        status = apply_deliveries(Status(STATUS.conditions, lists=("listeners",), sections=both), (refuses,))
        assert [section.conditions[0].status for section in status.sections] == parts
