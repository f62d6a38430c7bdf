"""What holds for the whole mesh: our own MeshConfig goes before Istio's, field by field."""

from api.kinds.istio.mesh_config import CONFIG_MAP
from api.kinds.mirrorplane import MESH_CONFIG
from api.meta import Ref
from api.settings import MeshSettings, together
from api.view import View

OURS = Ref(MESH_CONFIG.key, "", "default")
ISTIOS = Ref(CONFIG_MAP.key, "istio-system", "istio")


def mesh(view: View) -> MeshSettings:
    """Return the mesh-wide settings."""
    return together(view.lowered(OURS).settings, view.lowered(ISTIOS).settings)
