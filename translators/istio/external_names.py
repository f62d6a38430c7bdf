"""Kubernetes Services of type ExternalName: aliases of declared services, or services outside the mesh."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.hosts import fqdn, host_problem, is_unix, literal
from mirrorplane.api.kinds import kube
from mirrorplane.api.mesh import Alias, Endpoint, EndpointGroup, Lowered, Port, Resolution, Service
from mirrorplane.api.meta import Object
from mirrorplane.api.proxy import Locality
from mirrorplane.api.view import View
from mirrorplane.translators.local_endpoints import local_endpoint
from mirrorplane.translators.lookups.aliases import MAX_CHAIN

EXTERNAL_NAME = "ExternalName"
_PATH = "spec.externalName"


def lower_external_name(
    view: View, obj: Object[kube.ServiceSpec], ports: tuple[Port, ...], export_to: tuple[str, ...]
) -> Lowered:
    """Return an alias where some object declares the external name, else a service that DNS resolves.

    Istio resolves aliases of declared services alone. Other names it leaves to DNS, so that a rule cannot send there.
    """
    host, target = fqdn(obj.ref.name, obj.ref.namespace), literal(obj.spec.external_name)
    if view.by("service.host", target):
        findings = _loop_findings(view, obj, target)
        return Lowered(aliases=(Alias(host, target, obj.ref, export_to),), findings=tuple(findings))
    if problem := local_endpoint(view, obj.ref, _PATH, target):
        return Lowered(findings=(problem,))
    service = Service(
        host=host,
        namespace=obj.ref.namespace,
        ports=ports,
        ref=obj.ref,
        resolution=Resolution.DNS,
        external_name=True,
        export_to=export_to,
        created=obj.created,
    )
    # Clients that resolve the alias themselves dial the same port: Kubernetes ignores targetPort here.
    groups = tuple(EndpointGroup(obj.ref, p.name, (Endpoint(Locality(), target, p.number),)) for p in ports)
    return Lowered(services=(service,), endpoints=groups)


def external_name_findings(obj: Object[kube.ServiceSpec]) -> Iterator[Finding]:
    """Refuse an ExternalName whose name is missing or no DNS name, as the API server does.

    A socket is not refused here: it may be allowed, or is reported as a local endpoint.
    """
    if obj.spec.type != EXTERNAL_NAME:
        return
    name = literal(obj.spec.external_name)
    if not name:
        yield Finding(obj.ref, "InvalidAddress", "type ExternalName requires an external name", _PATH)
    elif not is_unix(name) and ("*" in name or host_problem(name)):
        yield Finding(obj.ref, "InvalidAddress", f"the external name {name!r} is not a DNS name", _PATH)


def alias_keys(obj: Object[kube.ServiceSpec]) -> Iterator[str]:
    """Yield the keys of an alias: the one of all, and the name that it stands for."""
    if obj.spec.type == EXTERNAL_NAME:
        yield from ("*", literal(obj.spec.external_name))


def external_endpoint_keys(obj: Object[kube.ServiceSpec]) -> Iterator[str]:
    """Yield the service that the object lists the endpoints of: itself, where its type is ExternalName."""
    if obj.spec.type == EXTERNAL_NAME:
        yield str(obj.ref)


def _loop_findings(view: View, obj: Object[kube.ServiceSpec], target: str) -> Iterator[Finding]:
    """Report a chain of external names that never ends, or is longer than DNS resolvers follow."""
    passed, name = {fqdn(obj.ref.name, obj.ref.namespace)}, target
    while name and name not in passed and len(passed) <= MAX_CHAIN:
        passed.add(name)
        name = next(iter(_next_names(view, name)), "")
    if name:
        problem = f"leads back to {name}" if name in passed else f"leads through more than {MAX_CHAIN} others"
        message = f"the external name {target} {problem}: requests and copies sent there reach nothing"
        yield Finding(obj.ref, "AliasLoop", message, _PATH, fix="name a service, or a host outside the mesh")


def _next_names(view: View, host: str) -> Iterator[str]:
    """Yield what the Services of a host stand for. Read from the objects: lowering them would be a cycle."""
    for obj in view.by("service.host", host):
        if obj.ref.kind == kube.SERVICE.key and obj.spec.type == EXTERNAL_NAME:
            yield literal(obj.spec.external_name)
