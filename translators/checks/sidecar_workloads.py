"""Which workloads does a Sidecar apply to? Where several select one, the oldest applies."""

from collections.abc import Iterator, Mapping

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.sidecar_scope import SidecarScope
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups.workload_selectors import selected_workloads, selects_nothing

_PATH = "spec.workloadSelector"
_NO_LABEL = ("", "")


def sidecar_scope(view: View, spec: SidecarScope) -> tuple[Finding, ...]:
    """Return the older Sidecars that apply instead (Istio IST0110, IST0111), and whether none is selected (IST0101).

    Each older one is reported once, with one of the workloads.
    """
    if not spec.clients:
        return tuple(_older_without_selector(view, spec))
    return (*_conflicts(view, spec), *_without_workload(view, spec))


def _without_workload(view: View, spec: SidecarScope) -> Iterator[Finding]:
    """Warn of a selector that matches no workload of its namespace (Istio IST0101)."""
    namespace = spec.ref.namespace
    if selects_nothing(view, namespace, spec.clients):
        labels = ", ".join(f"{key}={value}" for key, value in spec.clients)
        message = f"no Pod or WorkloadEntry of namespace {namespace} has the labels {labels}; no workload is limited"
        fix = "correct the labels, or start workloads that have them"
        yield Finding(spec.ref, "NoWorkloadSelected", message, f"{_PATH}.labels", Severity.WARNING, fix)


def _older_without_selector(view: View, spec: SidecarScope) -> Iterator[Finding]:
    oldest = view.memo(_by_first_label, spec.ref.namespace)[_NO_LABEL][0]
    if oldest.ref != spec.ref:
        message = f"{oldest.ref} is older and has no workloadSelector either; this one has no effect"
        yield Finding(spec.ref, "MultipleSidecarsWithoutWorkloadSelectors", message, _PATH)


def _conflicts(view: View, spec: SidecarScope) -> Iterator[Finding]:
    applied: dict[Ref, Ref] = {}
    for ref, workload in selected_workloads(view, spec.ref.namespace, spec.clients):
        applied.setdefault(_oldest(view, spec.ref.namespace, workload.labels), ref)
    for older, selected in applied.items():
        if older != spec.ref:
            message = f"{older} is older and selects {selected} too; this one has no effect on it"
            yield Finding(spec.ref, "ConflictingSidecarWorkloadSelectors", message, _PATH)


def _oldest(view: View, namespace: str, labels: Labels) -> Ref:
    """Return the oldest Sidecar that selects labels, of which at least one does."""
    by_label = view.memo(_by_first_label, namespace)
    selecting = (s for label in labels for s in by_label.get(label, ()) if set(s.clients) <= set(labels))
    return min(selecting, key=_age).ref


def _by_first_label(view: View, namespace: str) -> Mapping[tuple[str, str], tuple[SidecarScope, ...]]:
    """Return the Sidecars of a namespace by the first label of their selectors, the oldest first."""
    scopes = [s for obj in view.by("sidecar_scopes", namespace) for s in view.lowered(obj.ref).sidecar_scopes]
    by_label: dict[tuple[str, str], list[SidecarScope]] = {}
    for scope in sorted(scopes, key=_age):
        by_label.setdefault(next(iter(scope.clients), _NO_LABEL), []).append(scope)
    return {label: tuple(of_label) for label, of_label in by_label.items()}


def _age(scope: SidecarScope) -> tuple[str, str]:
    return scope.created, scope.ref.name


CHECK = Check(sidecar_scope=sidecar_scope)
