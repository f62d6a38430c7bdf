"""Tables on a terminal. Text of users and proxies is never taken for markup: brackets and colours stay text."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH = 1000
"""The terminal wraps long rows: a name that is cut short is useless."""
_STYLES = {
    "True": "green",
    "False": "red",
    "SYNCED": "green",
    "STALE": "yellow",
    "NOT SENT": "yellow",
    "REJECTED": "red",
}


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]], title: str = "", *, heads: bool = True) -> None:
    """Print rows of cells under their titles; without `heads`, the rows only, as `-w` prints changes."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title or None,
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        show_header=heads,
        header_style="bold",
    )
    for column in titles:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    console().print(table)


def console(*, stderr: bool = False) -> "Console":
    """Return a console that prints text as it is."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, width=_WIDTH, stderr=stderr)


def _style(cell: str) -> str:
    return next((style for start, style in _STYLES.items() if cell == start or cell.startswith(f"{start} ")), "")
