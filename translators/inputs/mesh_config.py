"""Mirrorplane MeshConfig -> MeshSettings."""

from collections.abc import Iterator

from api.finding import Finding
from api.kinds import mirrorplane
from api.mesh import Lowered, MeshSettings
from api.meta import Object
from api.mirrors import Guards
from api.units import PORTS, milliseconds
from api.view import View
from translators.contract import Input
from translators.istio.retries import retries_of, retry_findings

_DEFAULT = "default"
_MODES = ("ALLOW_ANY", "REGISTRY_ONLY")
_LOGS = ("", "/dev/stdout", "/dev/stderr", "/dev/null")
"""Files every Envoy can open: one that it cannot would make it reject every listener."""


def lower(_: View, obj: Object[mirrorplane.MeshConfig]) -> Lowered:
    """Return the settings; what is not set keeps its default."""
    spec, plain = obj.spec, MeshSettings()
    port = spec.proxy_http_port
    settings = MeshSettings(
        root_namespace=spec.root_namespace,
        proxy_http_port=plain.proxy_http_port if port is None else port,
        connect_timeout_ms=milliseconds(spec.connect_timeout),
        allow_any=spec.outbound_traffic_policy.mode == "ALLOW_ANY",
        access_log=spec.access_log_file,
        retries=retries_of(spec.default_http_retry_policy) or plain.retries,
        shadow_suffix=spec.mirroring.shadow_host_suffix,
        guards=_guards(spec.mirroring.guards, plain.guards),
    )
    return Lowered(settings=settings)


def validate(obj: Object[mirrorplane.MeshConfig]) -> Iterator[Finding]:
    """Refuse other names, unknown modes, durations and numbers that make no sense."""
    spec, guards = obj.spec, obj.spec.mirroring.guards
    if obj.ref.name != _DEFAULT:
        message = f"only the MeshConfig named {_DEFAULT} is read"
        yield Finding(obj.ref, "WrongName", message, "metadata.name", fix=f"name it {_DEFAULT}")
    if spec.outbound_traffic_policy.mode not in _MODES:
        message = f"mode {spec.outbound_traffic_policy.mode} is none of {', '.join(_MODES)}"
        yield Finding(obj.ref, "InvalidMode", message, "spec.outboundTrafficPolicy.mode")
    if spec.access_log_file not in _LOGS:
        message = f"{spec.access_log_file!r} is none of {', '.join(log for log in _LOGS if log)}, and not empty"
        yield Finding(obj.ref, "InvalidAccessLog", message, "spec.accessLogFile")
    if spec.proxy_http_port and spec.proxy_http_port not in PORTS:
        yield Finding(obj.ref, "InvalidPort", "the port is not in 0..65535 (0: no HTTP proxy)", "spec.proxyHttpPort")
    for path, text in (
        ("spec.connectTimeout", spec.connect_timeout),
        ("spec.mirroring.guards.deadline", guards.deadline or "1s"),
        ("spec.mirroring.guards.connectTimeout", guards.connect_timeout or "1s"),
    ):
        yield from _duration_findings(obj, path, text)
    yield from _number_findings(obj, guards)
    yield from retry_findings(obj.ref, "spec.defaultHttpRetryPolicy", spec.default_http_retry_policy)


def _duration_findings(obj: Object[mirrorplane.MeshConfig], path: str, text: str) -> Iterator[Finding]:
    try:
        if milliseconds(text) == 0:
            yield Finding(obj.ref, "InvalidDuration", "the duration must be longer than 0s", path)
    except ValueError as error:
        yield Finding(obj.ref, "InvalidDuration", str(error), path)


def _number_findings(obj: Object[mirrorplane.MeshConfig], guards: mirrorplane.MirrorGuards) -> Iterator[Finding]:
    """Keep the guards within what was measured: before it is connected, Envoy buffers no more than 1 MiB of a copy."""
    for field, said, most in (
        ("maxBodyBytes", guards.max_body_bytes, Guards.LARGEST_BODY),
        ("maxRequests", guards.max_requests, Guards.MOST_REQUESTS),
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
