"""Whether what limits clients holds for anybody, and whether what it names is there."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import candidates, exported
from mirrorplane.api.proxy import ClientKey, Visibility
from mirrorplane.api.sidecar_scope import SidecarScope
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups.reachability import unreachable
from mirrorplane.translators.settings import mesh

_SELECTOR = "spec.workloadSelector"


def sidecar_scope(view: View, said: SidecarScope) -> tuple[Finding, ...]:
    """Return which older ones hold instead (Istio IST0110, IST0111), and which names nobody declares."""
    return (*_others(view, said), *_imports_nothing(view, said), *_forwards_nowhere(view, said))


def _others(view: View, said: SidecarScope) -> Iterator[Finding]:
    found = (h for obj in view.by("sidecar_scopes", said.ref.namespace) for h in view.lowered(obj.ref).sidecar_scopes)
    for other in (h for h in found if (h.created, h.ref.name) < (said.created, said.ref.name)):
        if not said.clients and not other.clients:
            message = f"{other.ref} is older and has no workload selector either: this one holds for nobody"
            yield Finding(said.ref, "MultipleSidecarsWithoutWorkloadSelectors", message, _SELECTOR)
        elif both := _selected(view, said, other):
            message = f"{other.ref} is older and selects {both} too: for that it holds, and this one does not"
            yield Finding(said.ref, "ConflictingSidecarWorkloadSelectors", message, _SELECTOR)


def _selected(view: View, said: SidecarScope, other: SidecarScope) -> str:
    """Return a workload that both select by labels, or ""."""
    wanted = {*said.clients, *other.clients}
    if not said.clients or not other.clients:
        return ""
    key, value = said.clients[0]
    found = view.by("workload.label", f"{said.ref.namespace}|{key}={value}")
    chosen = (o.ref for o in found for load in view.lowered(o.ref).workloads if wanted <= set(load.labels))
    return str(next(chosen, ""))


def _imports_nothing(view: View, said: SidecarScope) -> Iterator[Finding]:
    """Warn of names that nobody declares, or not so that they could be seen. Other namespaces see other things."""
    own = said.ref.namespace
    if own == view.memo(mesh).root_namespace:
        return
    for i, listener in enumerate(said.seen_from(own).egress):
        for host, namespaces in listener.hosts.exact.items():
            for namespace in sorted(namespaces):
                if not view.memo(_is_declared, own, namespace, host):
                    message = f"no service {host} of namespace {namespace} is visible from namespace {own}"
                    path = f"spec.egress[{i}].hosts"
                    fix = "correct the host, or declare it with a Service or ServiceEntry that is exported"
                    yield Finding(said.ref, "NothingImported", message, path, Severity.WARNING, fix)


def _is_declared(view: View, own: str, namespace: str, host: str) -> bool:
    """Tell whether some service has a host, or some route table speaks of it."""
    declared = [(s.namespace, s.export_to) for o in view.by("service.host", host) for s in view.lowered(o.ref).services]
    for pattern in candidates(host):
        tables = (t for o in view.by("route.host", pattern) for t in view.lowered(o.ref).tables)
        declared += ((table.ref.namespace, table.export_to) for table in tables)
    return any(namespace in {"*", by} and exported(to, by, own) for by, to in declared)


def _forwards_nowhere(view: View, said: SidecarScope) -> Iterator[Finding]:
    to = said.forwarder
    problem = unreachable(view, ClientKey(Visibility(said.ref.namespace)), to, to.port) if to else None
    if to is not None and problem is not None:
        message = f"{problem.message}: requests to undeclared hosts get 503"
        yield Finding(said.ref, "ForwarderNotFound", message, problem.path(to), fix="create it, or correct the field")


CHECK = Check(sidecar_scope=sidecar_scope)
