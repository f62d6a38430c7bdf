"""GatewayClasses of other controllers that the command line adopts, as the objects that say so."""

from collections.abc import Iterable, Iterator

from mirrorplane.api.kinds.gateway_api.gateway_class import CONTROLLER
from mirrorplane.api.kinds.mirrorplane import ADOPTED_CONTROLLER, PROFILES, AdoptedController
from mirrorplane.api.meta import AnyObject, Object, Ref


class AdoptionError(ValueError):
    """An invalid `NAME=PROFILE`. The message says what is wrong with it."""


def adopted_controllers(controllers: Iterable[str], classes: Iterable[str]) -> Iterator[AnyObject]:
    """Yield an object for each `NAME=PROFILE`, and one for the classes that need no GatewayClass.

    Raises AdoptionError.
    """
    for text in controllers:
        name, _, profile_name = text.partition("=")
        profile = next((profile for profile in PROFILES if profile == profile_name), None)
        if not name or profile is None:
            choices = ", ".join(PROFILES)
            raise AdoptionError(f"invalid --adopt-controller {text!r}: write CONTROLLER=PROFILE, one of {choices}")
        yield _object(f"--adopt-controller {name}", AdoptedController(name, profile))
    class_names = tuple(dict.fromkeys(classes))
    if class_names:
        yield _object("--gateway-class", AdoptedController(CONTROLLER, class_names=class_names))


def _object(name: str, spec: AdoptedController) -> AnyObject:
    return Object(Ref(ADOPTED_CONTROLLER.key, "", name), spec, generation=1)
