"""The command line: the group of all commands, and the last line of defence around them.

Verbs, flags and exit codes are those of decision 0135.
"""

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module

import click

from mirrorplane.controlplane.observe import logs
from mirrorplane.controlplane.settings import quieten_grpc

_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Run": ("serve", "bootstrap", "demo"),
    "Manifests": ("check", "explain", "render", "diff"),
    "A running control plane": ("status", "proxies", "version", "bug-report"),
    "Shell": ("completion",),
}
"""The commands, as `--help` groups them. Each is the attribute of its name in the module of its name in `commands`."""
# As a shell reports a process that SIGINT ended; EX_SOFTWARE of sysexits.h.
_INTERRUPTED, _BUG = 130, 70
_COMMANDS = tuple(name for names in _SECTIONS.values() for name in names)


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
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"mirrorplane.controlplane.commands.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section. A help text is never cut off, however narrow the terminal is."""
        width = max(map(len, _COMMANDS))
        for title, names in _SECTIONS.items():
            commands = ((name, self.get_command(ctx, name)) for name in names)
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{width}}", (c and c.short_help) or "") for name, c in commands])


def main() -> None:
    """Run the command line. Every error is one line and a non-zero exit code."""
    try:
        code = cli(prog_name="mirrorplane", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(_INTERRUPTED)
    except Exception as error:  # the last line of defence: a bug is reported in one line, too
        if "--verbose" in sys.argv:
            raise
        message = " ".join(str(error).split()) or type(error).__name__
        click.echo(f"Error: {type(error).__name__}: {message} (a bug; --verbose shows the traceback)", err=True)
        sys.exit(_BUG)
    sys.exit(code if isinstance(code, int) else 0)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 yes, 1 no (errors, differences, not ready), 2 could not tell (usage, input, connection).",
)
@click.option("--verbose", is_flag=True, help="--log-level debug, and show the traceback of an internal error.")
@click.option(
    "--log-level",
    type=click.Choice(logs.LEVELS),
    default="info",
    show_default=True,
    envvar="MIRRORPLANE_LOG_LEVEL",
    show_envvar=True,
    help="Log from this level on.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    envvar="MIRRORPLANE_LOG_FORMAT",
    show_envvar=True,
    help="The format of log lines on stderr.",
)
@click.version_option(package_name="mirrorplane")
def cli(verbose: bool, log_level: str, log_format: str) -> None:
    """Configure Envoy proxies from manifests of Istio's API and Gateway API.

    Mirrors get copies of live requests; guards keep a slow or stuck mirror from affecting clients.
    """
    level = "debug" if verbose else log_level
    if level != "debug":
        quieten_grpc()
    logs.start_logging(log_format, level)


if __name__ == "__main__":
    main()
