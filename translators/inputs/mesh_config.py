"""Mirrorplane MeshConfig -> what it says for the mesh."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds import mirrorplane
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.mirrors import Guards
from mirrorplane.api.settings import settings_overlay
from mirrorplane.api.units import milliseconds
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.istio.durations import duration_findings
from mirrorplane.translators.istio.mesh import LOGS, settings_findings, settings_of

_DEFAULT = "default"


def lower(_: View, obj: Object[mirrorplane.MeshConfig]) -> Lowered:
    """Return the settings; what is not set is left to Istio's MeshConfig, but for mirrors, which it does not know."""
    said, plain = obj.spec.mirroring, Guards()
    settings = settings_overlay(
        **settings_of(obj.spec), shadow_suffix=said.shadow_host_suffix, guards=_guards(said.guards, plain)
    )
    return Lowered(settings=settings)


def validate(obj: Object[mirrorplane.MeshConfig]) -> Iterator[Finding]:
    """Refuse other names, unknown modes, durations and numbers that make no sense."""
    spec, guards = obj.spec, obj.spec.mirroring.guards
    if obj.ref.name != _DEFAULT:
        message = f"only the MeshConfig named {_DEFAULT} is read"
        yield Finding(obj.ref, "WrongName", message, "metadata.name", fix=f"name it {_DEFAULT}")
    yield from settings_findings(obj.ref, "spec", spec)
    if spec.access_log_file not in {None, *LOGS}:
        message = f"{spec.access_log_file!r} is none of {', '.join(log for log in LOGS if log)}, and not empty"
        yield Finding(obj.ref, "InvalidAccessLog", message, "spec.accessLogFile")
    times = {"deadline": guards.deadline, "connectTimeout": guards.connect_timeout}
    yield from duration_findings(obj.ref, "spec.mirroring.guards", times, positive=True)
    yield from _number_findings(obj, guards)


def _number_findings(obj: Object[mirrorplane.MeshConfig], guards: mirrorplane.MirrorGuards) -> Iterator[Finding]:
    """Keep the guards within what was measured: before it is connected, Envoy buffers no more than 1 MiB of a copy."""
    for field, said, most in (
        ("maxBodyBytes", guards.max_body_bytes, Guards.BODY_BYTES_CEILING),
        ("maxRequests", guards.max_requests, Guards.REQUESTS_CEILING),
    ):
        if not 0 <= said <= most:
            message = f"{said} is not in 0..{most} (0: the default): a copy could hold up the request it is made from"
            yield Finding(obj.ref, "InvalidGuard", message, f"spec.mirroring.guards.{field}")


def _guards(said: mirrorplane.MirrorGuards, plain: Guards) -> Guards:
    return Guards(
        max_body_bytes=said.max_body_bytes or plain.max_body_bytes,
        max_requests=said.max_requests or plain.max_requests,
        deadline_ms=milliseconds(said.deadline) if said.deadline else plain.deadline_ms,
        connect_timeout_ms=milliseconds(said.connect_timeout) if said.connect_timeout else plain.connect_timeout_ms,
    )


INPUT = Input(kinds=(mirrorplane.MESH_CONFIG,), lower=lower, validate=validate)
