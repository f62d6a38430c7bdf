"""GatewayClasses of other controllers that the command line says are served here, as the object that says it."""

from collections.abc import Iterable, Iterator

from mirrorplane.api.kinds.gateway_api.gateway_class import CONTROLLER
from mirrorplane.api.kinds.mirrorplane import ADOPTED_CONTROLLER, PROFILES, AdoptedController
from mirrorplane.api.meta import AnyObject, Object, Ref


class AdoptionError(ValueError):
    """A `NAME=PROFILE` that is none. The message says what is wrong with it."""


def adopted(controllers: Iterable[str], classes: Iterable[str]) -> Iterator[AnyObject]:
    """Yield an object for each `NAME=PROFILE`, and one for the classes that need no GatewayClass.

    Raises AdoptionError.
    """
    for text in controllers:
        name, _, wanted = text.partition("=")
        profile = next((known for known in PROFILES if known == wanted), None)
        if not name or profile is None:
            known = ", ".join(PROFILES)
            raise AdoptionError(f"{text!r} adopts nothing: write CONTROLLER=PROFILE, with one of {known}")
        yield _object(f"--adopt-controller {name}", AdoptedController(name, profile))
    names = tuple(dict.fromkeys(classes))
    if names:
        yield _object("--gateway-class", AdoptedController(CONTROLLER, class_names=names))


def _object(name: str, said: AdoptedController) -> AnyObject:
    return Object(Ref(ADOPTED_CONTROLLER.key, "", name), said, generation=1)
