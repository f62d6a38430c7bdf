"""What the API server refuses of a route's parents, whatever its kind."""

from collections.abc import Iterator, Sequence

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api.references import ParentReference
from mirrorplane.api.meta import Ref


def parent_rules(about: Ref, parents: Sequence[ParentReference]) -> Iterator[Finding]:
    """Refuse two references to one parent that do not say which part of it each is about."""
    seen: dict[object, list[tuple[str, int | None]]] = {}
    when = "when parentRefs includes 2 or more references to the same parent"
    for i, parent in enumerate(parents):
        place = seen.setdefault((parent.group, parent.kind, parent.namespace or about.namespace, parent.name), [])
        part = parent.section_name, parent.port
        if part in place:
            message = f"sectionName or port must be unique {when}"
            yield Finding(about, "InvalidParent", message, f"spec.parentRefs[{i}]")
        elif place and ("", None) in (part, *place):
            message = f"sectionName or port must be specified {when}"
            yield Finding(about, "InvalidParent", message, f"spec.parentRefs[{i}]")
        place.append(part)
