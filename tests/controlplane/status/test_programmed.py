"""What proxies make of a status: Programmed, addresses."""

from collections.abc import Sequence

import msgspec
import pytest

from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import Proxy, Scope, Visibility
from mirrorplane.api.resource import LISTENER, ROUTE
from mirrorplane.api.status import PROGRAMMED, TRUE, Condition, Section, Status
from mirrorplane.controlplane.status.programmed import Delivery, apply_deliveries, deliveries_by_object
from mirrorplane.controlplane.xds.status import StreamStatus, TypeStatus
from mirrorplane.translators.object_status import status_of
from mirrorplane.translators.routers.servers import unserved_servers
from mirrorplane.translators.scopes import criteria, scope_of
from tests.builders import plane_of
from tests.gateway_manifests import EDGE, GROUP, gateway, services
from tests.translators.gateway_api.gateway.test_certificates import secret

WELL = Condition(PROGRAMMED, TRUE, PROGRAMMED)
SAID = Status(
    (Condition("Accepted", TRUE, "Accepted"), WELL),
    sections=tuple(Section("listeners", {"name": str(port)}, (WELL,), place=f"_{port}") for port in (80, 8080)),
)
ONE, TWO = Delivery("a.default", "127.0.0.1", True), Delivery("b.default", "127.0.0.2", True)
SLOW = Delivery("c.default", "127.0.0.3", False)
REFUSES = Delivery("d.default", "127.0.0.4", True, ("Listener: adding 127.0.0.4_80: address in use",))
CANNOT = Delivery("e.default", "127.0.0.5", True, ("Cluster: no",))


def seen(condition: Condition) -> str:
    return f"{condition.status} {condition.reason}"


CASES = [
    (None, "Unknown Pending", ("Unknown Pending", "Unknown Pending")),
    ((), "False Pending", ("False Pending", "False Pending")),
    ((ONE, TWO), "True Programmed", ("True Programmed", "True Programmed")),
    ((ONE, SLOW), "False Pending", ("False Pending", "False Pending")),
    ((ONE, REFUSES), "False Invalid", ("False Invalid", "True Programmed")),
    ((ONE, CANNOT), "False Invalid", ("False Invalid", "False Invalid")),
    ((SLOW, REFUSES), "False Invalid", ("False Invalid", "True Programmed")),
]


@pytest.mark.parametrize(("to", "whole", "parts"), CASES)
def test_programmed_is_what_every_proxy_has_accepted(to: Sequence[Delivery] | None, whole: str, parts: tuple[str, str]):
    found = apply_deliveries(SAID, to)
    assert found.conditions[0] is SAID.conditions[0]
    assert seen(found.conditions[1]) == whole
    assert tuple(seen(section.conditions[0]) for section in found.sections) == parts


def test_a_rejection_is_told_in_the_proxy_s_words():
    condition = apply_deliveries(SAID, (ONE, REFUSES)).conditions[1]
    assert condition.message == "d.default rejects Listener: adding 127.0.0.4_80: address in use"
    assert "c.default" in apply_deliveries(SAID, (ONE, SLOW)).conditions[1].message


def test_addresses_are_those_of_the_proxies_or_of_them_those_asked_for():
    both = [{"type": "IPAddress", "value": ip} for ip in ("127.0.0.1", "127.0.0.2")]
    assert apply_deliveries(Status(SAID.conditions, addresses=()), (ONE, TWO)).facts["addresses"] == both
    asked = Status(SAID.conditions, addresses=("127.0.0.2", ""))
    assert apply_deliveries(asked, (ONE, TWO)).facts["addresses"] == both[1:]
    for addresses, found in (("10.0.0.9",), []), (("127.0.0.1", "10.0.0.9"), both[:1]):
        lost = apply_deliveries(Status(SAID.conditions, addresses=addresses), (ONE, TWO))
        assert (seen(lost.conditions[1]), lost.facts["addresses"]) == ("False AddressNotUsable", found)
        assert lost.conditions[1].message == "no connected proxy has the address 10.0.0.9"
    refused = Status((Condition(PROGRAMMED, "False", "Invalid"),), addresses=())
    assert apply_deliveries(refused, (ONE,)).facts == {"addresses": []}, "those of before are taken back"
    assert "addresses" not in apply_deliveries(SAID, (ONE,)).facts, "a ListenerSet has none"


def test_what_cannot_be_programmed_is_no_question_to_proxies():
    said = Status((Condition(PROGRAMMED, "False", "Invalid", "why"),))
    assert apply_deliveries(said, (ONE,)).conditions == said.conditions
    assert apply_deliveries(Status((Condition("Accepted", TRUE, "Accepted"),)), None).conditions[0].status == TRUE


def test_deliveries_are_by_gateway_and_a_proxy_may_have_many_streams():
    edge, till = Ref("g/Gateway", "default", "edge"), Ref("g/Gateway", "default", "till")
    scope = Scope("router", Visibility("default"), gateways=(edge, till))
    proxy = Proxy("router", "a", "default", ip="127.0.0.9")

    def stream(type_url: str, nack: str | None = None, *, pending: bool = False) -> tuple[StreamStatus, Scope]:
        known = TypeStatus(type_url, "1", "1", nack, True, 0, False, pending, 1)
        return StreamStatus(proxy, "sotw", 0, (known,)), scope

    found = deliveries_by_object([stream(LISTENER, pending=True), stream(ROUTE, "bad")])
    expected = Delivery("a.default", "127.0.0.9", False, ("RouteConfiguration: bad",))
    assert found == {edge: [expected], till: [expected]}
    (moving,) = deliveries_by_object([stream(LISTENER), stream(ROUTE, pending=True)])[edge]
    assert moving.settled, "a route that is under way is no reason to take a Gateway for gone"
    sidecar = (StreamStatus(Proxy("sidecar", "s", "default"), "sotw", 0, ()), Scope("sidecar", Visibility("default")))
    assert deliveries_by_object([sidecar]) == {}


def test_a_listener_that_a_proxy_does_not_serve_is_not_programmed():
    shut = Delivery("f.default", "127.0.0.6", True, unserved={"80": "it cannot listen there"})
    found = apply_deliveries(SAID, (ONE, shut))
    assert [seen(section.conditions[0]) for section in found.sections] == ["False Invalid", "True Programmed"]
    assert found.sections[0].conditions[0].message == "listener not served by f.default: it cannot listen there"
    assert seen(found.conditions[1]) == "True Programmed"
    whole = apply_deliveries(SAID, (msgspec.structs.replace(shut, unserved={"80": "a", "8080": "b"}),))
    assert seen(whole.conditions[1]) == "False Invalid"


async def test_what_a_router_cannot_do_is_not_programmed_at_it():
    tls = {"port": 8443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "web"}]}}
    plane = await plane_of("---\n".join([gateway({}, {"port": 8080}, tls), secret("web"), services("web")]))
    view = plane.engine.view
    proxy = msgspec.structs.replace(EDGE, unprivileged=True)
    stream = StreamStatus(proxy, "sotw", 0, (TypeStatus(LISTENER, "1", "1", None, True, 0, False, False, 1),))
    edge = Ref(f"{GROUP}/Gateway", "default", "edge")
    ((ref, [one]),) = deliveries_by_object(
        [(stream, scope_of(proxy, view.memo(criteria)))], lambda s: unserved_servers(view, s)
    ).items()
    assert (ref, list(one.unserved)) == (edge, ["l0", "l2"])
    assert "port 80" in one.unserved["l0"]
    assert "not authenticated" in one.unserved["l2"]
    said = status_of(view, edge)
    assert said is not None
    found = apply_deliveries(said, (one,))
    parts = [c.status for section in found.sections for c in section.conditions if c.type == PROGRAMMED]
    assert parts == ["False", TRUE, "False"]


def test_listeners_of_one_number_for_tcp_and_udp_are_told_apart():
    both = tuple(Section("listeners", {"name": place}, (WELL,), place=place) for place in ("_53", "_53_udp"))
    for name, parts in (("127.0.0.4_53_udp", [TRUE, "False"]), ("127.0.0.4_53", ["False", TRUE])):
        refuses = Delivery("d.default", "127.0.0.4", True, (f"Listener: adding {name}: address in use",))
        found = apply_deliveries(Status(SAID.conditions, lists=("listeners",), sections=both), (refuses,))
        assert [section.conditions[0].status for section in found.sections] == parts
