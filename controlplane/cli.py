"""The command line: the group of all commands, and the last line of defence around them."""

import sys

import click

from mirrorplane import __version__
from mirrorplane.controlplane.commands.bootstrap import bootstrap
from mirrorplane.controlplane.commands.check import check
from mirrorplane.controlplane.commands.demo import demo
from mirrorplane.controlplane.commands.explain import explain
from mirrorplane.controlplane.commands.proxies import proxies
from mirrorplane.controlplane.commands.render import render
from mirrorplane.controlplane.commands.serve import serve
from mirrorplane.controlplane.commands.status import status


def main() -> None:
    """Run the command line. Every error is one line and a non-zero exit code."""
    try:
        cli()
    except Exception as error:  # the last line of defence: a bug is told in one line, too
        if "--verbose" in sys.argv:
            raise
        message = " ".join(str(error).split()) or type(error).__name__
        click.echo(f"Error: {type(error).__name__}: {message} (a bug; --verbose shows where)", err=True)
        sys.exit(70)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--verbose", is_flag=True, help="Log more, and show where an internal error happened.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.version_option(__version__, prog_name="mirrorplane")
def cli(verbose: bool, log_format: str) -> None:
    """Serve Envoy proxies from Istio's and other mirroring APIs, so that a copy never hurts the original."""
    from mirrorplane.controlplane.observe.logs import start_logging

    start_logging(log_format, verbose=verbose)


for command in (serve, render, check, explain, status, proxies, bootstrap, demo):
    cli.add_command(command)

if __name__ == "__main__":
    main()
