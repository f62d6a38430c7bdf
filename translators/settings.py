"""The settings of the whole mesh: our own MeshConfig goes before Istio's, field by field."""

from mirrorplane.api.kinds.istio.mesh_config import CONFIG_MAP
from mirrorplane.api.kinds.mirrorplane import MESH_CONFIG
from mirrorplane.api.meta import Ref
from mirrorplane.api.settings import MeshSettings, merge_settings
from mirrorplane.api.view import View

OURS = Ref(MESH_CONFIG.key, "", "default")
ISTIOS = Ref(CONFIG_MAP.key, "istio-system", "istio")


def mesh(view: View) -> MeshSettings:
    """Return the mesh-wide settings."""
    return merge_settings(view.lowered(OURS).settings, view.lowered(ISTIOS).settings)
