"""`mirrorplane check`."""

import sys

import click

from mirrorplane.controlplane.commands.options import Given, loaded, sources


@click.command()
@sources
def check(given: Given) -> None:
    """Say what is wrong with manifests; exit 1 when there are errors."""
    from mirrorplane.controlplane.findings.format import finding_line, has_errors

    source, plane = loaded(given)
    found = plane.findings.all()
    for finding in found:
        click.echo(finding_line(finding))
    errors = sum(f.severity.value == "error" for f in found)
    click.echo(f"{len(plane.snapshot.objects)} objects, {errors} errors, {len(found) - errors} warnings", err=True)
    if source.ignored:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(source.ignored.items()))
        click.echo(f"not read, because nothing here is about them: {kinds}", err=True)
    sys.exit(1 if has_errors(found) else 0)
