"""Clusters that live requests use: one for each port and subset of each visible service, and Istio's two fixed ones."""

from api.proxy import Caller, Scope
from api.resource import CLUSTER, Resource
from api.settings import MeshSettings
from api.view import View
from translators import envoy, visible
from translators.contract import Output
from translators.names import BLACK_HOLE, PASSTHROUGH
from translators.parts import live, pools
from translators.parts.clusters import build as of_service


def names(view: View, scope: Scope) -> tuple[tuple[str, ...], ...]:
    """Return the names."""
    parts = range(view.memo(visible.services, scope.viewer))
    return (*(view.memo(live.clusters, scope.caller, part) for part in parts), (PASSTHROUGH, BLACK_HOLE))


def build(view: View, asker: tuple[Caller, bool], name: str) -> Resource | None:
    """Return one cluster, as proxies that are one caller have it, with interception or without."""
    caller, intercepted = asker
    return _fixed(name) if name in {PASSTHROUGH, BLACK_HOLE} else of_service(view, caller, name, dialled=intercepted)


def _fixed(name: str) -> Resource:
    body = envoy.Cluster(name=name, connect_timeout=envoy.duration(MeshSettings().connect_timeout_ms))
    if name == PASSTHROUGH:
        body.type = envoy.Cluster.ORIGINAL_DST
        body.lb_policy = envoy.Cluster.CLUSTER_PROVIDED
        pools.unlimited(body)
    else:
        body.type = envoy.Cluster.STATIC
    return envoy.resource(CLUSTER, name, envoy.encode(body))


OUTPUT = Output(CLUSTER, names, build, key=lambda scope: (scope.caller, scope.intercepted))
