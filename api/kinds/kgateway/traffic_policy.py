"""TrafficPolicy: of all that it can say, how the host of copies is made. Mirrors themselves are filters of routes."""

from typing import Annotated

from msgspec import Meta

from mirrorplane.api.kinds.kgateway import GROUP
from mirrorplane.api.meta import Kind, Wire


class Targeted(Wire, frozen=True):
    """A kind of objects of the policy's namespace, or a part of them: a listener of a Gateway, a rule of a route."""

    group: str
    kind: str
    section_name: str = ""


class PolicyTarget(Targeted, frozen=True, kw_only=True):
    """The one of a name."""

    name: Annotated[str, Meta(min_length=1, max_length=253)]


class PolicySelector(Targeted, frozen=True, kw_only=True):
    """All that carry some labels."""

    match_labels: Annotated[dict[str, str], Meta(min_length=1)]


class RequestMirrorPolicy(Wire, frozen=True):
    """How the host of copies is made: with Envoy's `-shadow` appended (the default), as it is, or another one."""

    disable_shadow_host_suffix_append: bool = False
    host_rewrite_literal: Annotated[str, Meta(max_length=1024)] = ""


class TrafficPolicy(Wire, frozen=True):
    """What holds for the traffic of its targets."""

    target_refs: Annotated[tuple[PolicyTarget, ...], Meta(max_length=16)] = ()
    target_selectors: Annotated[tuple[PolicySelector, ...], Meta(max_length=16)] = ()
    request_mirror: RequestMirrorPolicy | None = None

    @property
    def targets(self) -> tuple[Targeted, ...]:
        """All that it is for."""
        return (*self.target_refs, *self.target_selectors)


TRAFFIC_POLICY = Kind(GROUP, ("v1alpha1",), "TrafficPolicy", TrafficPolicy)
