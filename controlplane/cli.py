"""The command line: the group of all commands, and the last line of defence around them."""

import sys
from difflib import get_close_matches
from importlib import import_module

import click

_COMMANDS = ("serve", "check", "render", "explain", "status", "proxies", "bootstrap", "demo")
"""In the order of `--help`. Each is the attribute of that name in the module of that name in `commands`."""


class _LazyGroup(click.Group):
    """Imports a command's module when it is used, so that every command pays for its own imports only."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """See click.Group."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See click.Group."""
        if cmd_name not in _COMMANDS:
            if (close := get_close_matches(cmd_name, _COMMANDS, 1)) and not ctx.resilient_parsing:
                ctx.fail(f"No such command '{cmd_name}'. Did you mean '{close[0]}'?")
            return None
        command: click.Command = getattr(import_module(f"mirrorplane.controlplane.commands.{cmd_name}"), cmd_name)
        return command


def main() -> None:
    """Run the command line. Every error is one line and a non-zero exit code."""
    try:
        cli()
    except Exception as error:  # the last line of defence: a bug is reported in one line, too
        if "--verbose" in sys.argv:
            raise
        message = " ".join(str(error).split()) or type(error).__name__
        click.echo(f"Error: {type(error).__name__}: {message} (a bug; --verbose shows the traceback)", err=True)
        sys.exit(70)  # EX_SOFTWARE of sysexits.h


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--verbose", is_flag=True, help="Log more, and show the traceback of an internal error.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.version_option(package_name="mirrorplane")
def cli(verbose: bool, log_format: str) -> None:
    """Configure Envoy proxies from manifests of Istio's API and Gateway API.

    Mirrors get copies of live requests; guards keep a slow or stuck mirror from affecting clients.
    """
    from mirrorplane.controlplane.observe.logs import start_logging

    start_logging(log_format, verbose=verbose)


if __name__ == "__main__":
    main()
