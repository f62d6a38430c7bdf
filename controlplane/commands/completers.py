"""What the shell completes besides commands and options: types of objects and connected proxies."""

from typing import TYPE_CHECKING

import click

from mirrorplane.controlplane.commands.admin_client import AdminServer, fetch_rows

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def complete_types(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return the types that begin like this, in lower case, as kubectl completes them."""
    from mirrorplane.controlplane.query.statuses import status_types

    return [name for name in status_types() if name.startswith(incomplete.lower())]


def complete_proxies(ctx: click.Context, _: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the connected proxies whose names begin like this, and the files."""
    from click.shell_completion import CompletionItem

    names = [name for name in _connected(ctx) if name.startswith(incomplete)]
    return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]


def _connected(ctx: click.Context) -> list[str]:
    """Return the names of connected proxies; none where no control plane answers: a completion reports no errors."""
    from mirrorplane.controlplane.query.proxies import ProxyRow

    address, token_file = ctx.params.get("admin_address"), ctx.params.get("admin_token_file")
    try:
        rows = fetch_rows(AdminServer(address or "", token_file), "/debug/proxies", ProxyRow)
    except click.ClickException:
        return []
    return sorted({f"{row.name}.{row.namespace}" for row in rows})
