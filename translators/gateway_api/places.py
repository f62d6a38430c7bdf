"""Under which keys indexes find routes: what they are attached to, for which hosts, and what they send to."""

from collections.abc import Callable, Iterable, Mapping

from api.meta import AnyObject
from translators.gateway_api.attachments import counting_places, gateway_places, host_places
from translators.gateway_api.backends import services_of
from translators.gateway_api.frontends import indexes

OF_ROUTES: Mapping[str, Callable[[AnyObject], Iterable[str]]] = {
    "gateway.routes": gateway_places,
    "gateway.attached": counting_places,
    "route.service": services_of,
}
"""Of routes of all kinds."""
OF_REQUESTS: Mapping[str, Callable[[AnyObject], Iterable[str]]] = {
    **OF_ROUTES,
    "gateway.host": host_places,
    **indexes(),
}
"""Of those for requests, which have hosts, and Services as parents."""
