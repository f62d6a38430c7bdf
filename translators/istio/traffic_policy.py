"""TrafficPolicy -> Layer."""

from collections.abc import Iterator

from mirrorplane.api.cluster_policy import ClusterPolicy, Layer
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import destination_rule as istio
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import PORTS
from mirrorplane.translators.istio.connection_pool import (
    outlier_detection_findings,
    outlier_detection_of,
    pool_findings,
    pool_of,
    retry_budget_findings,
    retry_budget_of,
)
from mirrorplane.translators.istio.load_balancer import load_balancer_findings, load_balancer_of
from mirrorplane.translators.istio.tls import tls_advice, tls_findings, tls_of

Blocks = istio.TrafficPolicy | istio.PortTrafficPolicy
_VERSIONS = {"V1": 1, "V2": 2}


def layer_of(spec: istio.TrafficPolicy) -> Layer:
    """Return the policy for all ports and for single ports."""
    blocks = _blocks(spec)
    cluster_policy = ClusterPolicy(
        load_balancer=blocks.load_balancer,
        connection_pool=blocks.connection_pool,
        outlier_detection=blocks.outlier_detection,
        tls=blocks.tls,
        proxy_protocol=_VERSIONS[spec.proxy_protocol.version] if spec.proxy_protocol else 0,
        retry_budget=retry_budget_of(spec.retry_budget),
    )
    # What a port leaves out is not inherited from the policy for all ports (Istio).
    return Layer(cluster_policy, tuple((p.port.number, _blocks(p)) for p in spec.port_level_settings if p.port))


def policy_findings(about: Ref, path: str, spec: istio.TrafficPolicy, *, ejects: bool) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and warn of settings without effect.

    `ejects`: the rule's own policy has outlier detection, which its subsets inherit.
    """
    if spec == istio.TrafficPolicy():
        yield Finding(about, "EmptyPolicy", "traffic policy must have at least one field", path)
    if spec.tunnel and spec.proxy_protocol:
        message = "tunnel and proxyProtocol must not be set together"
        yield Finding(about, "InvalidPolicy", message, f"{path}.tunnel")
    if spec.tunnel:
        message = "tunnel is not supported and has no effect"
        yield Finding(about, "TunnelLeftOut", message, f"{path}.tunnel", Severity.WARNING)
    if spec.proxy_protocol and spec.proxy_protocol.version not in _VERSIONS:
        message = f"{spec.proxy_protocol.version} is not one of {', '.join(_VERSIONS)}"
        yield Finding(about, "InvalidPolicy", message, f"{path}.proxyProtocol.version")
    yield from retry_budget_findings(about, f"{path}.retryBudget", spec.retry_budget)
    yield from _block_findings(about, path, spec)
    if not ejects:
        yield from _failover_findings(about, path, spec)
    for i, port in enumerate(spec.port_level_settings):
        yield from _port_findings(about, f"{path}.portLevelSettings[{i}]", port)


def policy_advice(about: Ref, path: str, spec: istio.TrafficPolicy) -> Iterator[Finding]:
    """Report unsupported settings of a valid policy."""
    yield from tls_advice(about, f"{path}.tls", spec.tls)
    for i, port in enumerate(spec.port_level_settings):
        yield from tls_advice(about, f"{path}.portLevelSettings[{i}].tls", port.tls)


def _blocks(spec: Blocks) -> ClusterPolicy:
    return ClusterPolicy(
        load_balancer=load_balancer_of(spec.load_balancer),
        connection_pool=pool_of(spec.connection_pool),
        outlier_detection=outlier_detection_of(spec.outlier_detection),
        tls=tls_of(spec.tls),
    )


def _port_findings(about: Ref, path: str, spec: istio.PortTrafficPolicy) -> Iterator[Finding]:
    if spec.port is None or spec.port.number not in PORTS:
        yield Finding(about, "InvalidPolicy", "portTrafficPolicy must have valid port", f"{path}.port")
    if not (spec.load_balancer or spec.connection_pool or spec.outlier_detection or spec.tls):
        yield Finding(about, "EmptyPolicy", "port traffic policy must have at least one field", path)
    yield from _block_findings(about, path, spec)
    yield from _failover_findings(about, path, spec)


def _block_findings(about: Ref, path: str, spec: Blocks) -> Iterator[Finding]:
    yield from load_balancer_findings(about, f"{path}.loadBalancer", spec.load_balancer)
    yield from pool_findings(about, f"{path}.connectionPool", spec.connection_pool)
    yield from outlier_detection_findings(about, f"{path}.outlierDetection", spec.outlier_detection)
    yield from tls_findings(about, f"{path}.tls", spec.tls)


def _failover_findings(about: Ref, path: str, spec: Blocks) -> Iterator[Finding]:
    if spec.load_balancer is None or spec.outlier_detection is not None:
        return
    for field, setting in (
        ("localityLbSetting", spec.load_balancer.locality_lb_setting),
        ("zoneAwareLbSetting", spec.load_balancer.zone_aware_lb_setting),
    ):
        if setting and (setting.failover or setting.failover_priority):
            message = "outlier detection policy must be provided for failover"
            setting_path = f"{path}.loadBalancer.{field}"
            yield Finding(about, "FailoverLeftOut", message, setting_path, Severity.WARNING, fix="add outlierDetection")
