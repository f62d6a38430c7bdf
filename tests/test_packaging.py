"""What is installed: one package, whole, typed, that no folder of somebody else's can shadow."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from mirrorplane import __version__

ROOT = Path(__file__).parent.parent
ROOMS = ("api", "bootstrap", "controlplane", "translators")
LEFT_BEHIND = shutil.ignore_patterns(".*", "__pycache__", "tests", "docs", "build", "dist")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist and the wheel that is built from it, as uv and `python -m build` do."""
    folder = tmp_path_factory.mktemp("dist")
    checkout = folder / "checkout"
    shutil.copytree(ROOT, checkout, symlinks=True, ignore=LEFT_BEHIND)
    _build(checkout, "sdist", folder)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    _build(next(path for path in folder.glob("mirrorplane-*") if path.is_dir()), "wheel", folder)
    return folder


def _build(project: Path, target: str, into: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(into)]
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=300)


def test_the_wheel_holds_one_package_with_every_module(built: Path):
    wheel = next(built.glob("*.whl"))
    assert wheel.name == f"mirrorplane-{__version__}-py3-none-any.whl"
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names} == {"mirrorplane", f"mirrorplane-{__version__}.dist-info"}
    modules = {f"mirrorplane/{path.relative_to(ROOT)}" for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert modules <= names
    assert "mirrorplane/py.typed" in names


def test_a_folder_beside_it_shadows_nothing(built: Path, tmp_path: Path):
    site = tmp_path / "site"
    zipfile.ZipFile(next(built.glob("*.whl"))).extractall(site)
    project = tmp_path / "project"
    for room in ROOMS:
        (project / room).mkdir(parents=True)
        (project / room / "__init__.py").write_text("raise ImportError('not ours')\n")
    imports = "import mirrorplane.controlplane.app as app; print(app.__file__)"
    script = f"import sys; sys.path.insert(1, {str(site)!r}); {imports}"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=project, check=True, capture_output=True, text=True, timeout=60
    )
    assert run.stdout.startswith(str(site))
