"""`mirrorplane demo`."""

import sys

import click


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything up afterwards, and print what to try.")
def demo(keep: bool) -> None:
    """Play Istio's mirroring tutorial with real Envoys on this machine, then a mirror that is stuck."""
    from mirrorplane.controlplane.observe.logs import quieten
    from mirrorplane.controlplane.playground.demo import play

    quieten()
    sys.exit(play(keep=keep))
