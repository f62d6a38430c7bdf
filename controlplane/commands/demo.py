"""`mirrorplane demo`."""

import sys

import click

_EPILOG = """\b
Examples:
  mirrorplane demo
  mirrorplane demo --keep
"""


@click.command(short_help="Run Istio's mirroring tutorial on this machine.", epilog=_EPILOG)
@click.option("--keep", is_flag=True, help="Keep everything running afterwards, and print what to try.")
def demo(keep: bool) -> None:
    """Run Istio's mirroring tutorial with real Envoys on this machine, then mirror to a backend that hangs."""
    from mirrorplane.controlplane.observe.logs import log_warnings_only
    from mirrorplane.controlplane.playground.demo import play

    log_warnings_only()
    sys.exit(play(keep=keep))
