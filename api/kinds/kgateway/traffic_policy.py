"""TrafficPolicy: only its settings for the Host of mirrored requests; mirrors themselves are filters of routes."""

from typing import Annotated

from msgspec import Meta

from mirrorplane.api.kinds.kgateway import GROUP
from mirrorplane.api.meta import Kind, OpenWire, Wire


class Targeted(Wire, frozen=True):
    """Objects of a kind in the policy's namespace, or a section of each: a listener of a Gateway, a rule of a route."""

    group: str
    kind: str
    section_name: str = ""


class PolicyTarget(Targeted, frozen=True, kw_only=True):
    """The target of a name."""

    name: Annotated[str, Meta(min_length=1, max_length=253)]


class PolicySelector(Targeted, frozen=True, kw_only=True):
    """All targets with some labels."""

    match_labels: Annotated[dict[str, str], Meta(min_length=1)]


class RequestMirrorPolicy(Wire, frozen=True):
    """The Host of mirrored requests: with Envoy's `-shadow` appended (the default), unchanged, or a literal."""

    disable_shadow_host_suffix_append: bool = False
    host_rewrite_literal: Annotated[str, Meta(max_length=1024)] = ""


class TrafficPolicy(OpenWire, frozen=True):
    """Settings for the traffic of the targets. All but those for mirrors are unknown fields."""

    target_refs: Annotated[tuple[PolicyTarget, ...], Meta(max_length=16)] = ()
    target_selectors: Annotated[tuple[PolicySelector, ...], Meta(max_length=16)] = ()
    request_mirror: RequestMirrorPolicy | None = None

    @property
    def targets(self) -> tuple[Targeted, ...]:
        """All targets, by name and by selector."""
        return (*self.target_refs, *self.target_selectors)


TRAFFIC_POLICY = Kind(GROUP, ("v1alpha1",), "TrafficPolicy", TrafficPolicy)
