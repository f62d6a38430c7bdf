"""Routes of Services, for the test of incremental answers (tests/controlplane/engine/test_incremental.py)."""

from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import rule

from mirrorplane.api.kinds.gateway_api import grpc_route as gr
from mirrorplane.api.kinds.gateway_api import http_route as hr
from mirrorplane.api.meta import Kind, Wire

_names, _spaces = st.sampled_from(["a", "b"]), st.sampled_from(["red", "blue"])
_matches = st.sampled_from([{}, {"path": {"type": "Exact", "value": "/x"}}, {"path": {"value": "/x/"}}])
_parents = st.fixed_dictionaries(
    {"group": st.just(""), "kind": st.just("Service"), "name": _names, "namespace": _spaces},
    optional={"port": st.sampled_from([80, 8000]), "sectionName": st.just("80-http")},
)


class MeshRoutes:
    """Routes with Services as parents, as rules of the machine."""

    def _put(self, kind: Kind, ns: str, name: str, spec: Wire, **meta: Any) -> None:
        raise NotImplementedError

    @rule(
        ns=_spaces, name=_names, parents=st.lists(_parents, min_size=1, max_size=2, unique_by=str), match=_matches,
        backend=_names, where=_spaces, created=st.sampled_from(["", "2024", "2025"]), weight=st.integers(0, 1),
    )  # fmt: skip
    def mesh_route(self, ns, name, parents, match, backend, where, created, weight) -> None:
        mirror = {"backendRef": {"name": "b", "namespace": where, "port": 80}}
        rule_spec = {
            "matches": [match],
            "filters": [{"type": "RequestMirror", "requestMirror": mirror}],
            "backendRefs": [{"name": backend, "namespace": where, "port": 80, "weight": weight}],
        }
        spec = msgspec.convert({"parentRefs": parents, "rules": [rule_spec]}, hr.HTTPRoute)
        self._put(hr.HTTP_ROUTE, ns, name, spec, created=created)

    @rule(ns=_spaces, name=_names, parents=st.lists(_parents, min_size=1, max_size=2, unique_by=str), backend=_names)
    def mesh_calls(self, ns, name, parents, backend) -> None:
        rule_spec = {"matches": [{"method": {"service": "x"}}], "backendRefs": [{"name": backend, "port": 80}]}
        self._put(gr.GRPC_ROUTE, ns, name, msgspec.convert({"parentRefs": parents, "rules": [rule_spec]}, gr.GRPCRoute))
