"""What `status --wait` waits for: the conditions that a change of manifests or of proxies can make true."""

import pytest

from mirrorplane.controlplane.query.objects import StatusMetadata, StatusRow
from mirrorplane.controlplane.query.status_format import is_ready


def row(**conditions: str) -> StatusRow:
    plain = [
        {"type": name.replace("__", "/").replace("_", "."), "status": status, "reason": "R", "message": ""}
        for name, status in conditions.items()
    ]
    return StatusRow("networking.istio.io/v1", "VirtualService", StatusMetadata("web"), {"conditions": plain})


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ({"Accepted": "True", "Programmed": "True"}, True),
        ({"Accepted": "True", "Programmed": "Unknown"}, False),
        ({"Accepted": "True", "Programmed": "False"}, False),
        ({"Accepted": "True", "Conflicted": "False"}, True),
        ({"Accepted": "True", "Conflicted": "True"}, False),
        ({"mirrorplane_io__Enforced": "False"}, True),
        ({"mirrorplane_io__Enforced": "False", "Accepted": "False"}, False),
    ],
)
def test_what_is_ready(conditions: dict[str, str], ready: bool):
    assert is_ready(row(**conditions)) is ready
