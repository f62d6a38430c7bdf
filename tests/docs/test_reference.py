"""The reference pages name what there is, and nothing else."""

import re
from pathlib import Path

import click
import pytest
from prometheus_client import Metric

from mirrorplane.api.proxy import OWN_PORTS
from mirrorplane.api.settings import MeshSettings
from mirrorplane.controlplane.cli import cli
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.engine.engine import EMPTY
from mirrorplane.controlplane.observe.metrics import Metrics
from mirrorplane.controlplane.plane import Plane
from mirrorplane.translators.inputs.mesh_config import INPUT
from tests.builders import PlainView, objects
from tests.docs.pages import EVERY_PAGE, ROOT, blocks

REFERENCE = ROOT / "docs" / "reference"
METRIC = re.compile(r"\bmirrorplane_[a-z_]+\b")
_CONTEXT = click.Context(cli)
COMMANDS = {name: command for name in cli.list_commands(_CONTEXT) if (command := cli.get_command(_CONTEXT, name))}
OF_EVERY_COMMAND = {"-h", "--help"}


def options(command: click.Command) -> set[str]:
    return {opt for param in command.params if isinstance(param, click.Option) for opt in param.opts} - OF_EVERY_COMMAND


def test_the_command_line_page_names_every_command_and_option():
    page = (REFERENCE / "cli.md").read_text()
    assert len(COMMANDS) > 1
    for name, command in COMMANDS.items():
        assert f"\n## {name}\n" in page, name
        assert {opt for opt in options(command) if opt.startswith("--")} <= set(re.findall(r"--[a-z-]+", page)), name


def test_no_page_names_an_option_that_is_not_there():
    options_of_all = {opt for command in (cli, *COMMANDS.values()) for opt in options(command)} | OF_EVERY_COMMAND
    options_of_all |= {"--version"}
    for page in EVERY_PAGE:
        for line in re.findall(r"^.*\bmirrorplane [a-z-]+ .*$", page.read_text(), flags=re.MULTILINE):
            command = re.search(r"\bmirrorplane ([a-z-]+) ([^|`;&>]*)", line)
            if command and command[1] in COMMANDS:
                assert set(re.findall(r"(?<![\w-])--[a-z-]+", command[2])) <= options_of_all, line


@pytest.fixture
def metrics() -> dict[str, Metric]:
    return {family.name: family for family in Metrics(Plane(catalogue())).registry.collect()}


def test_the_metrics_page_names_every_metric(metrics: dict[str, Metric]):
    page = set(METRIC.findall((REFERENCE / "metrics.md").read_text()))
    expected = {f"{name}_total" if family.type == "counter" else name for name, family in metrics.items()}
    assert page == {name for name in expected if name.startswith("mirrorplane_")}


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_names_a_metric_that_is_not_there(page: Path, metrics: dict[str, Metric]):
    stem = re.compile(r"_(total|bucket|count|sum)$")
    assert {stem.sub("", name) for name in METRIC.findall(page.read_text())} <= {stem.sub("", name) for name in metrics}


def test_the_ports_page_names_every_reserved_port():
    page = (REFERENCE / "ports.md").read_text()
    assert {port for port in OWN_PORTS if str(port) not in page} == set()


def test_the_mesh_config_that_is_shown_is_the_default():
    [block] = [block for block in blocks(REFERENCE / "kinds.md") if "kind: MeshConfig" in block.text]
    [obj] = objects(block.text)
    overlay = INPUT.lower(PlainView(EMPTY, catalogue().inputs), obj).settings
    assert overlay is not None
    defaults = MeshSettings()
    assert {name: value for name, value in overlay.fields if value != getattr(defaults, name)} == {}
