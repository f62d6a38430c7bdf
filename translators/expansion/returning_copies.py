"""Mirrors whose copies may reach the same route again: a copy is marked, and what carries the mark is not copied.

A mirror that leads back to a proxy with the same route (a Gateway's own Service, two gateways that mirror to each
other) would turn one request into requests without end. See decision 0125.
"""

import msgspec

from mirrorplane.api.matches import FieldMatch, Op, StringMatch
from mirrorplane.api.mirrors import COPY_HEADER
from mirrorplane.api.routes import Route


def expand_returning_copies(route: Route) -> tuple[Route, ...]:
    """Return the route, and before it one without mirrors for copies that came back (`Mirror.mark`)."""
    mark = next((mirror.mark for mirror in route.mirrors if mirror.mark), "")
    if not mark:
        return (route,)
    # Envoy joins the values of a header that is sent several times by commas.
    marked = FieldMatch(COPY_HEADER, StringMatch(Op.REGEX, f".*{mark}.*"))
    match = msgspec.structs.replace(route.match, headers=(*route.match.headers, marked))
    unmirrored = route.map_forwards(lambda forward: msgspec.structs.replace(forward, mirrors=()))
    return msgspec.structs.replace(unmirrored, match=match), route
