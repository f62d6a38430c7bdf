"""Mirrorplane MeshConfig -> SettingsOverlay."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds import mirrorplane
from mirrorplane.api.local_addresses import entry_problem
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.mirrors import Guards
from mirrorplane.api.settings import settings_overlay
from mirrorplane.api.units import milliseconds
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.istio.mesh import LOGS, settings_findings, settings_of
from mirrorplane.translators.istio.scalars import duration_findings

_DEFAULT = "default"


def lower(_: View, obj: Object[mirrorplane.MeshConfig]) -> Lowered:
    """Return the settings that are set; Istio's MeshConfig decides the others, except mirroring, which it lacks."""
    mirroring = obj.spec.mirroring
    settings = settings_overlay(
        **settings_of(obj.spec),
        shadow_suffix=mirroring.shadow_host_suffix,
        guards=_guards(mirroring.guards),
        router_accounts=obj.spec.router_service_accounts,
        local_endpoints=obj.spec.local_endpoints,
    )
    return Lowered(settings=settings)


def validate(obj: Object[mirrorplane.MeshConfig]) -> Iterator[Finding]:
    """Refuse other names, unknown modes, and invalid durations and numbers."""
    spec, guards = obj.spec, obj.spec.mirroring.guards
    if obj.ref.name != _DEFAULT:
        message = f"only the MeshConfig named {_DEFAULT} is used"
        yield Finding(obj.ref, "WrongName", message, "metadata.name", fix=f"name it {_DEFAULT}")
    yield from settings_findings(obj.ref, "spec", spec)
    if spec.access_log_file not in {None, *LOGS}:
        message = f"{spec.access_log_file!r} is not one of {', '.join(log for log in LOGS if log)}, and not empty"
        yield Finding(obj.ref, "InvalidAccessLog", message, "spec.accessLogFile")
    times = {"deadline": guards.deadline, "connectTimeout": guards.connect_timeout}
    yield from duration_findings(obj.ref, "spec.mirroring.guards", times, positive=True)
    yield from _number_findings(obj, guards)
    for i, account in enumerate(obj.spec.router_service_accounts):
        namespace, _, name = account.partition("/")
        if not (namespace and name) or "/" in name:
            message = f"{account!r} is not a namespace and a service account, separated by a slash"
            path = f"spec.routerServiceAccounts[{i}]"
            yield Finding(obj.ref, "InvalidName", message, path, fix="write it as namespace/name")
    for i, entry in enumerate(spec.local_endpoints):
        if problem := entry_problem(entry):
            yield Finding(obj.ref, "InvalidAddress", problem, f"spec.localEndpoints[{i}]")


def _number_findings(obj: Object[mirrorplane.MeshConfig], guards: mirrorplane.MirrorGuards) -> Iterator[Finding]:
    """Keep the guards within what was measured to be safe: Envoy buffers at most 1 MiB of a copy before it connects."""
    for field, value, ceiling in (
        ("maxBodyBytes", guards.max_body_bytes, Guards.BODY_BYTES_CEILING),
        ("maxRequests", guards.max_requests, Guards.REQUESTS_CEILING),
    ):
        if not 0 <= value <= ceiling:
            message = (
                f"{value} is not in 0..{ceiling} (0 is the default): a larger copy could delay the original request"
            )
            yield Finding(obj.ref, "InvalidGuard", message, f"spec.mirroring.guards.{field}")


def _guards(spec: mirrorplane.MirrorGuards) -> Guards:
    defaults = Guards()
    return Guards(
        max_body_bytes=spec.max_body_bytes or defaults.max_body_bytes,
        max_requests=spec.max_requests or defaults.max_requests,
        deadline_ms=milliseconds(spec.deadline) if spec.deadline else defaults.deadline_ms,
        connect_timeout_ms=milliseconds(spec.connect_timeout) if spec.connect_timeout else defaults.connect_timeout_ms,
    )


INPUT = Input(kinds=(mirrorplane.MESH_CONFIG,), lower=lower, validate=validate)
