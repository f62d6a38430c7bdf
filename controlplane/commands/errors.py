"""How a command that cannot answer ends."""

import click

UNANSWERED = 2
"""The exit code of usage errors, too (click): the question could not be answered. 1 means that the answer is no."""


class CommandError(click.ClickException):
    """What keeps a command from answering: unreadable input, an unreachable server. The message is one line."""

    exit_code = UNANSWERED
