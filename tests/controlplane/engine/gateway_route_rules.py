"""Routes of Gateways, for the test of incremental answers (tests/controlplane/engine/test_incremental.py)."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from mirrorplane.api.kinds.gateway_api import filters as hf
from mirrorplane.api.kinds.gateway_api import grpc_route as gr
from mirrorplane.api.kinds.gateway_api import http_route as hr
from mirrorplane.api.kinds.gateway_api import references as refs
from mirrorplane.api.meta import Kind, Wire

_names, _spaces = st.sampled_from(["a", "b"]), st.sampled_from(["red", "blue"])
_paths = st.sampled_from([hr.HTTPPathMatch(), hr.HTTPPathMatch("Exact", "/x"), hr.HTTPPathMatch("PathPrefix", "/x/")])


class GatewayRoutes:
    """What may be said to a world of manifests."""

    def _put(self, kind: Kind, ns: str, name: str, spec: Wire, **meta: Any) -> None:
        raise NotImplementedError

    @rule(
        ns=_spaces, name=_names, parent=_names, where=_spaces, section=st.sampled_from(["", "l0", "l1"]), path=_paths,
        hosts=st.lists(st.sampled_from(["x.example.com", "*.example.com"]), max_size=2, unique=True),
        backends=st.lists(st.tuples(_names, _spaces, st.integers(0, 2)), max_size=2), apart=st.booleans(),
    )  # fmt: skip
    def http_route(self, ns, name, parent, where, section, path, hosts, backends, apart) -> None:
        parent_ref = refs.ParentReference(parent, namespace=where, section_name=section)
        copy_backend = refs.BackendObjectReference("a", namespace=where, port=8000)
        copied = hf.HTTPRouteFilter("RequestMirror", request_mirror=hf.HTTPRequestMirrorFilter(copy_backend))
        guard = hf.HTTPExternalAuthFilter("GRPC", copy_backend, hf.GRPCAuthConfig())
        guarded = hf.HTTPRouteFilter("ExternalAuth", external_auth=guard)
        mirror = (copied,) if apart else ()
        backend_refs = tuple(
            hr.HTTPBackendRef(n, namespace=space, port=80, weight=w, filters=mirror) for n, space, w in backends
        )
        filters = (guarded,) if apart else (copied,)
        rule = hr.HTTPRouteRule(matches=(hr.HTTPRouteMatch(path),), filters=filters, backend_refs=backend_refs)
        self._put(hr.HTTP_ROUTE, ns, name, hr.HTTPRoute((parent_ref,), tuple(hosts), (rule,)))

    @rule(
        ns=_spaces, name=_names, parent=_names, where=_spaces, service=st.sampled_from(["", "a.A"]),
        hosts=st.lists(st.sampled_from(["x.example.com", "*.example.com"]), max_size=2, unique=True), backend=_names,
    )  # fmt: skip
    def grpc_route(self, ns, name, parent, where, service, hosts, backend) -> None:
        ref = gr.GRPCBackendRef(backend, namespace=where, port=80)
        mirror = hf.HTTPRequestMirrorFilter(refs.BackendObjectReference("a", namespace=where, port=8000))
        copied = gr.GRPCRouteFilter("RequestMirror", request_mirror=mirror)
        match = gr.GRPCRouteMatch(gr.GRPCMethodMatch(service=service)) if service else gr.GRPCRouteMatch()
        rule = gr.GRPCRouteRule(matches=(match,), filters=(copied,), backend_refs=(ref,))
        self._put(
            gr.GRPC_ROUTE,
            ns,
            name,
            gr.GRPCRoute((refs.ParentReference(parent, namespace=where),), tuple(hosts), (rule,)),
        )
