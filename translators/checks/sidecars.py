"""Check that the hosts that a Sidecar imports exist. Which workloads it applies to: see sidecar_workloads."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import candidates, exported
from mirrorplane.api.proxy import ClientKey, Visibility
from mirrorplane.api.sidecar_scope import SidecarScope
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups.aliases import aliases_in, resolve_destination
from mirrorplane.translators.lookups.partial_wildcards import partial_wildcards
from mirrorplane.translators.lookups.reachability import DestinationField, unreachable
from mirrorplane.translators.settings import mesh


def sidecar_scope(view: View, spec: SidecarScope) -> tuple[Finding, ...]:
    """Return imported hosts, and a proxy for unknown hosts, that do not exist."""
    return (*_missing_imports(view, spec), *_missing_forwarder(view, spec))


def _missing_imports(view: View, spec: SidecarScope) -> Iterator[Finding]:
    """Warn of hosts that are not declared, or not visible. Not in the root namespace: other namespaces see others."""
    client = spec.ref.namespace
    if client == view.memo(mesh).root_namespace:
        return
    for i, listener in enumerate(spec.seen_from(client).egress):
        for host, namespaces in listener.hosts.exact.items():
            for namespace in sorted(namespaces):
                if not view.memo(_is_declared, client, namespace, host):
                    message = f"no service {host} of namespace {namespace} is visible from namespace {client}"
                    path = f"spec.egress[{i}].hosts"
                    fix = "correct the host, or declare it with a Service or ServiceEntry that is exported"
                    yield Finding(spec.ref, "NothingImported", message, path, Severity.WARNING, fix)


def _is_declared(view: View, client: str, namespace: str, host: str) -> bool:
    """Tell whether a service, an alias or a route table of a namespace that a client namespace sees has a host."""
    declared = [(s.namespace, s.export_to) for o in view.by("service.host", host) for s in view.lowered(o.ref).services]
    declared += [(a.ref.namespace, a.export_to) for a in aliases_in(view, view.by("service.host", host))]
    for pattern in candidates(host, view.memo(partial_wildcards, "route.host")):
        tables = (t for o in view.by("route.host", pattern) for t in view.lowered(o.ref).tables)
        declared += ((table.ref.namespace, table.export_to) for table in tables)
    return any(
        namespace in {"*", declarer} and exported(export_to, declarer, client) for declarer, export_to in declared
    )


def _missing_forwarder(view: View, spec: SidecarScope) -> Iterator[Finding]:
    forwarder = resolve_destination(view, spec.forwarder) if spec.forwarder else None
    client = ClientKey(Visibility(spec.ref.namespace))
    problem = unreachable(view, client, forwarder, forwarder.port) if forwarder else None
    if forwarder is not None and problem is not None:
        message, path = f"{problem.message}; requests to undeclared hosts get 503", problem.path(forwarder)
        is_policy = problem.field is DestinationField.POLICY
        fix = f"change the policy of {forwarder.host}" if is_policy else "create it, or correct the field"
        yield Finding(spec.ref, "ForwarderNotFound", message, path, fix=fix)


CHECK = Check(sidecar_scope=sidecar_scope)
