"""`mirrorplane bug-report`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec

from mirrorplane.controlplane.commands.admin_client import AdminServer, admin_options, fetch_bytes
from mirrorplane.controlplane.commands.errors import CommandError

_MOST_PROXIES = 20
_MOST_BYTES = 16 << 20
"""Of one page of the control plane; a larger one is left out."""
_MOST_ROWS = 2000
"""Of a list: proxies of a large mesh look alike."""
_PAGES = ("findings", "objects", "status", "proxies")
_EPILOG = """\b
Examples:
  mirrorplane bug-report
  mirrorplane bug-report report.tar.gz
"""
_README = """\
A report about a running Mirrorplane control plane, for an issue. Made by `mirrorplane bug-report`.

Inside: versions, metrics, findings, names and generations of objects, statuses, connected proxies, and the Envoy
resources that {count} proxies are served (one of each scope, {most} at most).
Not inside: Secrets, specs of objects, logs, requests. Values of headers and parameters that are named like credentials,
tokens, keys and bodies of direct responses are replaced with {redacted}. Names of hosts, services and namespaces stay:
read the report before you publish it. Lists end after {rows} rows, and files of more than {mib} MiB are left out.
"""


@click.command("bug-report", short_help="Collect what an issue needs into an archive, without secrets.", epilog=_EPILOG)
@admin_options
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False, metavar="[FILE]")
def bug_report(admin: AdminServer, file: Path | None) -> None:
    """Collect what an issue needs into a .tar.gz file: versions, metrics, findings, statuses, proxies and resources.

    Secrets are never inside, and values that look like credentials are replaced; README.txt in it says what is inside.
    The size is bounded.
    """
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    path = file or Path(f"mirrorplane-bug-report-{now:%Y%m%d-%H%M%S}.tar.gz")
    try:
        count = _write(path, _entries(admin), int(now.timestamp()))
    except OSError as error:
        raise CommandError(f"{path}: cannot be written: {error.strerror or error}") from error
    except CommandError:
        path.unlink()  # half a report is none
        raise
    size = f"{count} files, {path.stat().st_size:,} bytes"
    click.echo(f"{path}: {size}. Read README.txt in it before you publish it.")


def _entries(admin: AdminServer) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each file. Raises CommandError when the control plane cannot be asked."""
    import json
    import platform

    from mirrorplane.controlplane.query.redaction import REDACTED, redact, redact_text
    from mirrorplane.controlplane.query.versions import this_version

    scopes = _one_of_each_scope(_fetched(admin, "/debug/proxies") or [])
    readme = _README.format(
        count=len(scopes), most=_MOST_PROXIES, redacted=REDACTED, mib=_MOST_BYTES >> 20, rows=_MOST_ROWS
    )
    yield "README.txt", readme.encode()
    versions = {
        "client": msgspec.to_builtins(this_version()),
        "server": _fetched(admin, "/version"),
        "system": platform.platform(),
    }
    yield "versions.json", json.dumps(versions, indent=2).encode()
    yield "metrics.txt", redact_text(_body(admin, "/metrics").decode(errors="replace")).encode()
    for page in _PAGES:
        rows = (_fetched(admin, f"/debug/{page}") or [])[:_MOST_ROWS]
        yield f"{page}.json", json.dumps(redact(rows), indent=1).encode()
    for node_id in scopes:
        value = redact(_fetched(admin, f"/debug/resources?proxy={quote(node_id)}"))
        yield f"resources/{quote(node_id, safe='')}.json", json.dumps(value, indent=1).encode()


def _fetched(admin: AdminServer, path: str) -> Any:
    """Return a page's value; None for one that is too large."""
    import json

    body = _body(admin, path)
    try:
        return json.loads(body) if body else None
    except ValueError as error:
        raise CommandError(f"{path} of {admin.address} is not JSON") from error


def _body(admin: AdminServer, path: str) -> bytes:
    body = fetch_bytes(admin, path, limit=_MOST_BYTES + 1)
    if len(body) > _MOST_BYTES:
        click.echo(f"{path} is larger than {_MOST_BYTES >> 20} MiB and left out", err=True)
        return b""
    return body


def _one_of_each_scope(rows: list[dict[str, Any]]) -> list[str]:
    """Return the node ids of one proxy of each scope, those that reject something first."""
    by_scope: dict[str, str] = {}
    rejecting = sorted(rows, key=lambda row: not any(status["nack"] is not None for status in row["types"].values()))
    for row in rejecting:
        by_scope.setdefault(str(row["scope"]), row["id"])
    return list(by_scope.values())[:_MOST_PROXIES]


def _write(path: Path, entries: Iterator[tuple[str, bytes]], time: int) -> int:
    """Write an archive that only its owner may read, and return the number of its files."""
    import io
    import os
    import tarfile

    folder, count = path.name.partition(".")[0], 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size, info.mtime, info.mode = len(content), time, 0o600
            archive.addfile(info, io.BytesIO(content))
            count += 1
    return count
