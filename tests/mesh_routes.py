"""Routes of Services, for the test of incremental answers (tests/test_incremental.py)."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from api.kinds.gateway_api import filters as hf
from api.kinds.gateway_api import http_route as hr
from api.kinds.gateway_api import references as refs
from api.meta import Kind, Wire

_names, _spaces = st.sampled_from(["a", "b"]), st.sampled_from(["red", "blue"])
_paths = st.sampled_from([hr.HTTPPathMatch(), hr.HTTPPathMatch("Exact", "/x"), hr.HTTPPathMatch("PathPrefix", "/x/")])
_parents = st.builds(
    lambda name, namespace, port, section: refs.ParentReference(name, "", "Service", namespace, section, port),
    _names,
    _spaces,
    st.sampled_from([None, 80, 8000]),
    st.sampled_from(["", "", "80-http"]),
)


class MeshRoutes:
    """What may be said to a world of manifests."""

    def _put(self, kind: Kind, ns: str, name: str, spec: Wire, **meta: Any) -> None:
        raise NotImplementedError

    @rule(
        ns=_spaces, name=_names, parents=st.lists(_parents, min_size=1, max_size=2), path=_paths, to=_names,
        where=_spaces, created=st.sampled_from(["", "2024", "2025"]), weight=st.integers(0, 1),
    )  # fmt: skip
    def mesh_route(self, ns, name, parents, path, to, where, created, weight) -> None:
        mirror = hf.HTTPRequestMirrorFilter(refs.BackendObjectReference("b", namespace=where, port=80))
        there = hr.HTTPRouteRule(
            matches=(hr.HTTPRouteMatch(path),),
            filters=(hf.HTTPRouteFilter("RequestMirror", request_mirror=mirror),),
            backend_refs=(hr.HTTPBackendRef(to, namespace=where, port=80, weight=weight),),
        )
        spec = hr.HTTPRoute(tuple(dict.fromkeys(parents)), rules=(there,))
        self._put(hr.HTTP_ROUTE, ns, name, spec, created=created)
