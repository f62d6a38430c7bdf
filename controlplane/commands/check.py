"""`mirrorplane check`."""

import sys

import click

from mirrorplane.controlplane.commands.options import Manifests, load_plane, manifest_options


@click.command(short_help="Validate manifests.", epilog="Example: mirrorplane check -f mesh/")
@manifest_options
def check(manifests: Manifests) -> None:
    """Validate manifests: print a line per finding, with file, line, field and fix.

    The exit code is 1 when any of them is an error.
    """
    from mirrorplane.controlplane.findings.format import finding_line, has_errors

    source, plane = load_plane(manifests)
    findings = plane.findings.all()
    for finding in findings:
        click.echo(finding_line(finding))
    errors = sum(finding.severity.value == "error" for finding in findings)
    counts = (len(plane.snapshot.objects), "object"), (errors, "error"), (len(findings) - errors, "warning")
    click.echo(", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts), err=True)
    if source.ignored:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(source.ignored.items()))
        click.echo(f"ignored, not of a supported kind: {kinds}", err=True)
    sys.exit(1 if has_errors(findings) else 0)
