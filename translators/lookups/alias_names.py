"""The aliases by which clients may call a service, beside its own names (Istio: they share its virtual host)."""

from mirrorplane.api.hosts import exported
from mirrorplane.api.mesh import Alias
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import sidecar_scope
from mirrorplane.translators.lookups.aliases import MAX_CHAIN, aliases_in, has_aliases


def alias_names(view: View, visibility: Visibility, host: str) -> tuple[str, ...]:
    """Return the aliases of a service, direct or through others, by which a proxy's clients may call it, sorted."""
    return view.memo(_visible_aliases, visibility, host) if view.memo(has_aliases) else ()


def _visible_aliases(view: View, visibility: Visibility, host: str) -> tuple[str, ...]:
    visible: set[str] = set()
    passed, targets = {host}, [host]
    for _ in range(MAX_CHAIN):
        aliases = [alias for target in targets for alias in aliases_in(view, view.by("service.alias", target))]
        targets = sorted({alias.host for alias in aliases} - passed)
        passed |= set(targets)
        visible |= {alias.host for alias in aliases if _is_visible(view, visibility, alias)}
    return tuple(sorted(visible - {host}))


def _is_visible(view: View, visibility: Visibility, alias: Alias) -> bool:
    """Tell whether an alias is exported to a proxy, and imported by a listener where a SidecarScope limits them."""
    if not exported(alias.export_to, alias.ref.namespace, visibility.namespace):
        return False
    if visibility.sidecar is None:
        return True
    listeners = view.memo(sidecar_scope.sidecar_scope, visibility).egress
    return any(listener.imports(alias.ref.namespace, alias.host) for listener in listeners)
