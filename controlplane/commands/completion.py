"""`mirrorplane completion`."""

import click

_EPILOG = """\b
Examples:
  source <(mirrorplane completion bash)
  mirrorplane completion zsh > "${fpath[1]}/_mirrorplane"
  mirrorplane completion fish > ~/.config/fish/completions/mirrorplane.fish
"""


@click.command(short_help="Print the completion script of a shell.", epilog=_EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands, options and kinds in a shell."""
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None
    # Only the template of a class is used: its `source` would start a shell to learn its version.
    values = script(ctx.find_root().command, {}, "mirrorplane", "_MIRRORPLANE_COMPLETE").source_vars()
    click.echo(script.source_template % values)
