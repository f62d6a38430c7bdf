"""Istio Sidecar -> Horizon."""

from collections.abc import Iterable, Iterator

from api.finding import Finding, Severity
from api.horizons import Horizon
from api.hosts import candidates, exported
from api.kinds.istio import sidecar as istio
from api.mesh import Lowered
from api.meta import AnyObject, Labels, Object
from api.proxy import Caller, Viewer
from api.view import View
from translators.contract import Input
from translators.istio.destinations import destination_of
from translators.istio.egress import egress_findings, egress_of, policy_findings
from translators.istio.ingress import inbound_pool_findings, inbound_pool_of, ingress_findings, ingress_of
from translators.lookups import missing
from translators.settings import mesh

_EVERYTHING = istio.EgressListener(hosts=("*/*",))
_FORWARDER = "spec.outboundTrafficPolicy.egressProxy"


def lower(view: View, obj: Object[istio.Sidecar]) -> Lowered:
    """Return what the proxies that it holds for can call. Without egress it is everything, as it is without Sidecar."""
    spec, policy = obj.spec, obj.spec.outbound_traffic_policy
    forwarder = policy.egress_proxy if policy else None
    horizon = Horizon(
        ref=obj.ref,
        clients=_labels(obj),
        created=obj.created,
        egress=tuple(egress_of(said) for said in spec.egress or (_EVERYTHING,)),
        allow_any=policy.mode == "ALLOW_ANY" if policy else None,
        forwarder=destination_of(obj.ref, _FORWARDER, forwarder) if forwarder else None,
        ingress=tuple(ingress_of(said) for said in spec.ingress),
        pool=inbound_pool_of(spec.inbound_connection_pool),
    )
    found = (*_others(view, obj), *_imports_nothing(view, horizon), *_forwards_nowhere(view, horizon))
    return Lowered(horizons=(horizon,), findings=found)


def validate(obj: Object[istio.Sidecar]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and what is not served."""
    spec = obj.spec
    if spec == istio.Sidecar(workload_selector=spec.workload_selector):
        yield Finding(obj.ref, "EmptyConfiguration", "sidecar: empty configuration provided", "spec")
    yield from _selector_findings(obj)
    yield from egress_findings(obj.ref, spec.egress)
    yield from policy_findings(obj.ref, spec.outbound_traffic_policy)
    yield from ingress_findings(obj.ref, spec.ingress)
    yield from inbound_pool_findings(obj.ref, "spec.inboundConnectionPool", spec.inbound_connection_pool)


def _selector_findings(obj: Object[istio.Sidecar]) -> Iterator[Finding]:
    path = "spec.workloadSelector"
    if obj.spec.workload_selector is not None and not _labels(obj):
        message = "workload selector specified without labels: the Sidecar holds for all workloads of the namespace"
        yield Finding(obj.ref, "EmptySelector", message, path, Severity.WARNING)
    for key, value in _labels(obj):
        if not key:
            yield Finding(obj.ref, "InvalidSelector", f"empty key is not supported in selector: {value!r}", path)
        if "*" in key + value:
            message = f"wildcard is not supported in selector: {key}={value}"
            yield Finding(obj.ref, "InvalidSelector", message, path)


def _others(view: View, obj: Object[istio.Sidecar]) -> Iterator[Finding]:
    """Say which older Sidecar holds instead of this one: for all workloads, or for some (IST0111, IST0110)."""
    for other in view.by("horizons", obj.ref.namespace):
        if other.ref.kind != obj.ref.kind or (other.created, other.ref.name) >= (obj.created, obj.ref.name):
            continue
        if not _labels(obj) and not _labels(other):
            message = f"{other.ref} is older and has no workload selector either: this one holds for nobody"
            yield Finding(obj.ref, "MultipleSidecarsWithoutWorkloadSelectors", message, "spec.workloadSelector")
        elif both := _selected(view, obj, other):
            message = f"{other.ref} is older and selects {both} too: for that it holds, and this one does not"
            yield Finding(obj.ref, "ConflictingSidecarWorkloadSelectors", message, "spec.workloadSelector")


def _selected(view: View, obj: Object[istio.Sidecar], other: AnyObject) -> str:
    """Return a workload that both select by labels, or ""."""
    mine, wanted = _labels(obj), {*_labels(obj), *_labels(other)}
    if not mine or not _labels(other):
        return ""
    key, value = mine[0]
    found = view.by("workload.label", f"{obj.ref.namespace}|{key}={value}")
    chosen = (o.ref for o in found for load in view.lowered(o.ref).workloads if wanted <= set(load.labels))
    return str(next(chosen, ""))


def _imports_nothing(view: View, said: Horizon) -> Iterator[Finding]:
    """Warn of names that nobody declares, or not so that they could be seen. Other namespaces see other things."""
    own = said.ref.namespace
    if own == view.memo(mesh).root_namespace:
        return
    for i, listener in enumerate(said.seen_from(own).egress):
        for host, namespaces in listener.hosts.exact.items():
            for namespace in sorted(namespaces):
                if not _is_declared(view, said, namespace, host):
                    message = f"no service {host} of namespace {namespace} is visible from namespace {own}"
                    path = f"spec.egress[{i}].hosts"
                    fix = "correct the host, or declare it with a Service or ServiceEntry that is exported"
                    yield Finding(said.ref, "NothingImported", message, path, Severity.WARNING, fix)


def _is_declared(view: View, said: Horizon, namespace: str, host: str) -> bool:
    """Tell whether some service has a host, or some route table speaks of it."""
    declared = [(s.namespace, s.export_to) for o in view.by("service.host", host) for s in view.lowered(o.ref).services]
    for pattern in candidates(host):
        tables = (t for o in view.by("route.host", pattern) for t in view.lowered(o.ref).tables)
        declared += ((table.ref.namespace, table.export_to) for table in tables)
    return any(namespace in {"*", by} and exported(to, by, said.ref.namespace) for by, to in declared)


def _forwards_nowhere(view: View, said: Horizon) -> Iterator[Finding]:
    to = said.forwarder
    problem = missing(view, Caller(Viewer(said.ref.namespace)), to, to.port) if to else None
    if problem is not None:
        field, sentence = problem
        message = f"{sentence}: what would be sent there gets 503"
        yield Finding(said.ref, "ForwarderNotFound", message, f"{_FORWARDER}.{field}", fix="create it, or correct this")


def _labels(obj: AnyObject) -> Labels:
    selector = obj.spec.workload_selector
    return tuple(sorted(selector.labels.items())) if selector else ()


def _places(obj: Object[istio.Sidecar]) -> Iterable[str]:
    return ("*", obj.ref.namespace)


INPUT = Input(kinds=(istio.SIDECAR,), lower=lower, validate=validate, indexes={"horizons": _places})
