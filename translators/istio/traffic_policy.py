"""TrafficPolicy -> Layer."""

from collections.abc import Iterator

from mirrorplane.api.cluster_policy import ClusterPolicy, Layer
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import destination_rule as istio
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import PORTS
from mirrorplane.translators.istio.balancing import balancing_findings, balancing_of
from mirrorplane.translators.istio.connection_pool import (
    outlier_findings,
    outliers_of,
    pool_findings,
    pool_of,
    retry_share_findings,
    retry_share_of,
)
from mirrorplane.translators.istio.tls import tls_advice, tls_findings, tls_of

Blocks = istio.TrafficPolicy | istio.PortTrafficPolicy
_VERSIONS = {"V1": 1, "V2": 2}


def layer_of(said: istio.TrafficPolicy) -> Layer:
    """Return what a policy says, for all ports and for single ones."""
    whole = _blocks(said)
    cluster_policy = ClusterPolicy(
        load_balancer=whole.load_balancer,
        connection_pool=whole.connection_pool,
        outlier_detection=whole.outlier_detection,
        tls=whole.tls,
        proxy_protocol=_VERSIONS[said.proxy_protocol.version] if said.proxy_protocol else 0,
        retry_budget=retry_share_of(said.retry_budget),
    )
    return Layer(cluster_policy, tuple((p.port.number, _blocks(p)) for p in said.port_level_settings if p.port))


def policy_findings(about: Ref, path: str, said: istio.TrafficPolicy, *, ejects: bool) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses; warn of what changes nothing.

    `ejects`: the rule's own policy has outlier detection, which its subsets take over.
    """
    if said == istio.TrafficPolicy():
        yield Finding(about, "EmptyPolicy", "traffic policy must have at least one field", path)
    if said.tunnel and said.proxy_protocol:
        message = "tunnel and proxyProtocol must not be set together"
        yield Finding(about, "InvalidPolicy", message, f"{path}.tunnel")
    if said.tunnel:
        message = "a tunnel is for TLS and TCP routes, which are not served here: it changes nothing"
        yield Finding(about, "TunnelLeftOut", message, f"{path}.tunnel", Severity.WARNING)
    if said.proxy_protocol and said.proxy_protocol.version not in _VERSIONS:
        message = f"{said.proxy_protocol.version} is none of {', '.join(_VERSIONS)}"
        yield Finding(about, "InvalidPolicy", message, f"{path}.proxyProtocol.version")
    yield from retry_share_findings(about, f"{path}.retryBudget", said.retry_budget)
    yield from _block_findings(about, path, said)
    if not ejects:
        yield from _failover_findings(about, path, said)
    for i, port in enumerate(said.port_level_settings):
        yield from _port_findings(about, f"{path}.portLevelSettings[{i}]", port)


def policy_advice(about: Ref, path: str, said: istio.TrafficPolicy) -> Iterator[Finding]:
    """Say what of a valid policy is not served."""
    yield from tls_advice(about, f"{path}.tls", said.tls)
    for i, port in enumerate(said.port_level_settings):
        yield from tls_advice(about, f"{path}.portLevelSettings[{i}].tls", port.tls)


def _blocks(said: Blocks) -> ClusterPolicy:
    return ClusterPolicy(
        load_balancer=balancing_of(said.load_balancer),
        connection_pool=pool_of(said.connection_pool),
        outlier_detection=outliers_of(said.outlier_detection),
        tls=tls_of(said.tls),
    )


def _port_findings(about: Ref, path: str, said: istio.PortTrafficPolicy) -> Iterator[Finding]:
    if said.port is None or said.port.number not in PORTS:
        yield Finding(about, "InvalidPolicy", "portTrafficPolicy must have valid port", f"{path}.port")
    if not (said.load_balancer or said.connection_pool or said.outlier_detection or said.tls):
        yield Finding(about, "EmptyPolicy", "port traffic policy must have at least one field", path)
    yield from _block_findings(about, path, said)
    yield from _failover_findings(about, path, said)


def _block_findings(about: Ref, path: str, said: Blocks) -> Iterator[Finding]:
    yield from balancing_findings(about, f"{path}.loadBalancer", said.load_balancer)
    yield from pool_findings(about, f"{path}.connectionPool", said.connection_pool)
    yield from outlier_findings(about, f"{path}.outlierDetection", said.outlier_detection)
    yield from tls_findings(about, f"{path}.tls", said.tls)


def _failover_findings(about: Ref, path: str, said: Blocks) -> Iterator[Finding]:
    near = said.load_balancer.locality_lb_setting if said.load_balancer else None
    if near and (near.failover or near.failover_priority) and said.outlier_detection is None:
        message = "outlier detection policy must be provided for failover"
        where = f"{path}.loadBalancer.localityLbSetting"
        yield Finding(about, "FailoverLeftOut", message, where, Severity.WARNING, fix="add outlierDetection")
