"""A folder that is edited, for tests of the file source."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.istio.virtual_service import VIRTUAL_SERVICE
from mirrorplane.api.kinds.kube import NAMESPACE, SERVICE
from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.controlplane.manifests.decode import registry_of
from mirrorplane.controlplane.sources.changes import Batch
from mirrorplane.controlplane.sources.files.source import FileSource

REGISTRY = registry_of([SERVICE, NAMESPACE, VIRTUAL_SERVICE])
BROKEN = "apiVersion: v1\nkind: Service\nmetadata: {name: [\n"

MIRRORING = """\
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v}
spec:
  hosts: [a]
  http:
  - route:
    - destination: {host: a}
    mirror: {host: b}
"""


def service(name: str, port: Any = 80, **metadata: Any) -> str:
    extra = "".join(f"  {key}: {value}\n" for key, value in metadata.items())
    return f"---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n{extra}spec:\n  ports:\n  - port: {port}\n"


def ref(name: str) -> Ref:
    return Ref("Service", "default", name)


class FolderEditor:
    """Edits a folder, and keeps the current objects and findings that a FileSource reports for it."""

    def __init__(self, root: Path, paths: Sequence[Path] = ()) -> None:
        self.root = root
        self.objects: dict[Ref, AnyObject] = {}
        self.findings: dict[str, tuple[Finding, ...]] = {}
        self.source = FileSource(paths or [root], REGISTRY)

    def path(self, name: str) -> Path:
        return self.root / name

    def write(self, name: str, *documents: str) -> Batch:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text("".join(documents))
        return self.look(name)

    def remove(self, name: str) -> Batch:
        self.path(name).unlink()
        return self.look()

    def look(self, *touched: str) -> Batch:
        return self.take(self.source.rescan({str(self.path(name)) for name in touched}))

    def take(self, batch: Batch) -> Batch:
        for change in batch.changes:
            assert self.objects.get(change.ref) != change.obj
            self.objects.pop(change.ref, None)
            if change.obj is not None:
                self.objects[change.ref] = change.obj
        for origin, findings in batch.findings.items():
            assert self.findings.get(origin, ()) != findings
            self.findings[origin] = findings
        return batch

    def ports(self) -> dict[str, int]:
        return {ref.name: obj.spec.ports[0].port for ref, obj in self.objects.items() if ref.kind == SERVICE.key}

    def findings_in(self, name: str = "") -> list[Finding]:
        return [f for origin, findings in self.findings.items() if origin.endswith(name) for f in findings]


def swap(mount: Path, number: int, content: str) -> None:
    """Replace the content of a mounted ConfigMap as the kubelet does: one rename of the `..data` link."""
    version = mount / f"..2024_{number}"
    version.mkdir()
    (version / "a.yaml").write_text(content)
    (mount / "..data_tmp").symlink_to(version.name)
    (mount / "..data_tmp").rename(mount / "..data")
    for old in mount.glob("..2024_*"):
        if old != version:
            shutil.rmtree(old)
