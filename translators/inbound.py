"""What comes in to a workload with interception: the ports that services say it has, and what they speak."""

import msgspec

from api.mesh import Port, Protocol, Service
from api.meta import Labels
from api.proxy import Scope
from api.view import View
from translators.lookups import endpoints


class Entry(msgspec.Struct, frozen=True):
    """A port of the workload: `service_port` is the one that clients of `host` call."""

    port: int
    protocol: Protocol
    host: str
    service_port: int


def entries(view: View, scope: Scope) -> tuple[Entry, ...]:
    """Return the ports by number. Where several services lead to one, the oldest says what it speaks (Istio)."""
    found: dict[int, Entry] = {}
    for service in view.memo(_services, scope.namespace, scope.workload):
        for port in service.ports:
            if port.protocol is not Protocol.UDP:
                for number in view.memo(_targets, service, port):
                    found.setdefault(number, Entry(number, port.protocol, service.host, port.number))
    return tuple(found[number] for number in sorted(found))


def entry(view: View, scope: Scope, number: int) -> Entry | None:
    """Return one of them, or None."""
    return next((each for each in view.memo(entries, scope) if each.port == number), None)


def _services(view: View, namespace: str, labels: Labels) -> tuple[Service, ...]:
    """Return the services that select workloads with these labels, oldest first."""
    have = set(labels)
    found = [
        service
        for key, value in labels
        for obj in view.by("selector", f"{namespace}|{key}={value}")
        for service in view.lowered(obj.ref).services
        if set(service.selector) <= have
    ]
    return tuple(sorted(found, key=lambda s: (s.created, s.host)))


def _targets(view: View, service: Service, port: Port) -> tuple[int, ...]:
    """Return the numbers behind a service's port: the one it states, and those that its workloads have for a name."""
    stated = (port.target or port.number,) if isinstance(port.target, int) else ()
    known = (e.port for e in view.memo(endpoints, service.ref, service.host, port.number))
    return tuple(sorted({*stated, *known}))
