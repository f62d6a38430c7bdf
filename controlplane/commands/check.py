"""`mirrorplane check`."""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import click

from mirrorplane.controlplane.commands.errors import CommandError
from mirrorplane.controlplane.commands.options import (
    Manifests,
    Selection,
    load_plane,
    manifest_options,
    namespace_options,
    output_option,
)

if TYPE_CHECKING:
    from mirrorplane.controlplane.plane import Plane
    from mirrorplane.controlplane.query.objects import FindingRow
    from mirrorplane.controlplane.reports.result import CheckResult
    from mirrorplane.controlplane.sources.files.source import FileSource

_DEPLOYMENTS = ("apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "apps/ReplicaSet")
_EXAMPLES = 3
_EPILOG = """\b
Examples:
  mirrorplane check -f mesh/
  kustomize build overlays/prod | mirrorplane check -f -
  mirrorplane check -f mesh/ -o github --fail-on warning --ignore PortNameUnclear
"""


@click.command(short_help="Validate manifests.", epilog=_EPILOG)
@manifest_options
@namespace_options
@output_option("text", "json", "github", "sarif", "junit")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    show_default=True,
    help="Exit with 1 from this severity on.",
)
@click.option(
    "--ignore",
    "codes",
    multiple=True,
    metavar="CODE",
    help="Leave out findings with this code (MirrorNotHttp, IST0101). Repeatable.",
)
def check(manifests: Manifests, selection: Selection, output: str, fail_on: str, codes: tuple[str, ...]) -> None:
    """Validate manifests: report each finding with file, line, field and fix.

    No cluster and no running control plane is needed. The exit code is 0 without errors, 1 with errors, and 2 if no
    manifest can be read.
    """
    source, plane = load_plane(manifests)
    if not plane.snapshot.objects and not plane.findings.all():
        raise CommandError(f"no object of a supported kind in {source.name}{_ignored(source.ignored)}")
    result = _result(source, plane, selection, fail_on=fail_on, codes=codes)
    click.echo(import_module(f"mirrorplane.controlplane.reports.{output}_report").report(result), nl=False)
    click.echo(f"{result.summary()}{_ignored(result.ignored)}", err=True)
    _note_missing_workloads(plane, source)
    sys.exit(1 if result.failed else 0)


def _result(
    source: "FileSource", plane: "Plane", selection: Selection, *, fail_on: str, codes: tuple[str, ...]
) -> "CheckResult":
    import asyncio

    from mirrorplane.controlplane.query.checks import findings_with_drafts
    from mirrorplane.controlplane.query.objects import finding_row
    from mirrorplane.controlplane.reports.result import CheckResult

    objects = len(plane.snapshot.objects)
    findings = asyncio.run(findings_with_drafts(plane, source.drafts(), source.locate))
    rows = [finding_row(finding) for finding in findings if selection.has(finding.about.namespace)]
    shown = [row for row in rows if row.reason not in codes and row.code not in codes]
    _warn_of_unused(codes, rows)
    return CheckResult(objects, shown, source.ignored, len(rows) - len(shown), fail_on)


def _warn_of_unused(codes: tuple[str, ...], rows: "Sequence[FindingRow]") -> None:
    unused = set(codes) - {row.reason for row in rows} - {row.code for row in rows}
    for code in sorted(unused):
        click.echo(f"--ignore {code}: no finding has this code", err=True)


def _ignored(kinds: Mapping[str, int]) -> str:
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"; ignored, not of a supported kind: {counts}" if counts else ""


def _note_missing_workloads(plane: "Plane", source: "FileSource") -> None:
    """Say why Services have no endpoints here: a cluster makes Pods of Deployments, and a folder does not."""
    from mirrorplane.controlplane.query.checks import services_without_workloads

    count = sum(source.ignored[kind] for kind in _DEPLOYMENTS)
    refs = services_without_workloads(plane) if count else []
    if refs:
        more = f" and {len(refs) - _EXAMPLES} more" if refs[_EXAMPLES:] else ""
        names = ", ".join(map(str, refs[:_EXAMPLES])) + more
        click.echo(
            f"note: no Pod here has the labels that {names} select{'s' if len(refs) == 1 else ''}: only a cluster "
            f"makes Pods of the {count} Deployment{'' if count == 1 else 's'} in these files. To serve from files, "
            "add Pods with status.podIP, EndpointSlices or WorkloadEntries",
            err=True,
        )
