"""Pods for the tests: network namespaces joined by a bridge, each with Istio's iptables rules.

All names contain the id of this process, and all is removed with it. The machine's own namespace only gets one end of
a veth pair, so that proxies reach the control plane.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from mirrorplane.api.proxy import Proxy
from mirrorplane.bootstrap.envoy import XdsAddress, bootstrap
from mirrorplane.bootstrap.platform_ports import ISTIO_PORTS
from mirrorplane.controlplane.playground.proxy import envoy_path, tied

ADMIN = 15000
_RULES = Path(__file__).parents[3] / "deploy" / "intercept.sh"
_TOOLS = ("ip", "iptables", "iptables-restore", "setpriv")


def unavailable() -> str:
    """Return why Pods cannot be created here, "" if they can."""
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    try:
        with network() as probe_network:
            probe_network.pod("probe", 2)
    except subprocess.CalledProcessError as error:
        return f"network namespaces with iptables do not work here: {error.stderr.decode().strip()}"
    return ""


class Pod(msgspec.Struct, frozen=True):
    """A network namespace with an address."""

    namespace: str
    address: str

    def command(self, *command: str, gid: int = 0) -> list[str]:
        """Return the command line that runs a command in the Pod."""
        inside = [_tool("ip"), "netns", "exec", self.namespace]
        return [*inside, _tool("setpriv"), f"--regid={gid}", "--clear-groups", "--", *command]

    def python(self, script: str, *arguments: str, seconds: float = 20) -> str:
        """Run a Python script as the workload; return its output."""
        command = self.command(sys.executable, "-I", "-c", script, *arguments)
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True).stdout.strip()

    def stats(self, pattern: str) -> dict[str, int]:
        """Return the counters of the Pod's proxy that match a regular expression."""
        url = f"http://127.0.0.1:{ADMIN}/stats?format=json&filter={pattern}"
        output = self.python("import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())", url)
        return {stat["name"]: stat["value"] for stat in json.loads(output)["stats"] if "name" in stat}


class Network:
    """Use through `network`."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._id = f"mp{os.getpid()}"
        self._prefix = f"10.77.{os.getpid() % 250}"
        self.host = f"{self._prefix}.254"
        self._fabric = f"{self._id}-fabric"

    def build(self) -> None:
        """Create the bridge, and the veth pair from the machine to it."""
        self._namespace(self._fabric)
        self._ip("-n", self._fabric, "link", "add", "bridge", "type", "bridge")
        self._ip("-n", self._fabric, "link", "set", "bridge", "up")
        cable = f"{self._id}h"
        self._ip("link", "add", cable, "type", "veth", "peer", "name", "machine", "netns", self._fabric)
        self._stack.callback(subprocess.run, [_tool("ip"), "link", "del", cable], capture_output=True)
        self._plug("machine")
        self._ip("addr", "add", f"{self.host}/24", "dev", cable)
        self._ip("link", "set", cable, "up")

    def pod(self, name: str, number: int, *, intercepted: bool = True) -> Pod:
        """Create a Pod whose address ends in a number (2 to 253)."""
        pod = Pod(f"{self._id}-{name}", f"{self._prefix}.{number}")
        self._namespace(pod.namespace)
        inside = ("-n", pod.namespace)
        self._ip(*inside, "link", "set", "lo", "up")
        self._ip(
            "-n", self._fabric, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", pod.namespace
        )
        self._plug(name)
        self._ip(*inside, "addr", "add", f"{pod.address}/24", "dev", "eth0")
        self._ip(*inside, "link", "set", "eth0", "up")
        self._ip(*inside, "route", "add", "default", "via", self.host)
        # There is no DNS here; without this rule each lookup would take until its timeout.
        refuse = ("-A", "OUTPUT", "-p", "udp", "--dport", "53", "-j", "REJECT")
        subprocess.run(pod.command("iptables", *refuse), check=True, capture_output=True)
        if intercepted:
            subprocess.run(pod.command("sh", str(_RULES)), check=True, capture_output=True)
        return pod

    def answers_for(self, pod: Pod, address: str, client: Pod) -> None:
        """Route another address to a Pod, for one client: what kube-proxy does for a Service with one Pod."""
        self._ip("-n", pod.namespace, "addr", "add", f"{address}/32", "dev", "eth0")
        self._ip("-n", client.namespace, "route", "add", address, "dev", "eth0")

    def start(self, pod: Pod, *command: str, gid: int = 0, log: Path) -> None:
        """Start a command in a Pod; it ends with the network."""
        with log.open("wb") as out:
            pod_command = pod.command(*command, gid=gid)
            process = subprocess.Popen(tied(*pod_command), stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self._stack.callback(_end, process)

    def sidecar(self, pod: Pod, proxy: Proxy, xds: XdsAddress, folder: Path) -> None:
        """Start the sidecar of a Pod, with the group id that is exempt from interception."""
        config = folder / f"{proxy.name}.json"
        config.write_text(json.dumps(bootstrap(proxy, xds, ISTIO_PORTS)))
        options = ("--concurrency", "1", "--log-level", "warning", "--use-dynamic-base-id", "--disable-hot-restart")
        self.start(pod, envoy_path(), "-c", str(config), *options, gid=1337, log=folder / f"{proxy.name}.log")

    def _namespace(self, name: str) -> None:
        self._ip("netns", "add", name)
        self._stack.callback(subprocess.run, [_tool("ip"), "netns", "del", name], capture_output=True)

    def _plug(self, cable: str) -> None:
        self._ip("-n", self._fabric, "link", "set", cable, "master", "bridge", "up")

    def _ip(self, *arguments: str) -> None:
        subprocess.run([_tool("ip"), *arguments], check=True, capture_output=True)


@contextmanager
def network() -> Iterator[Network]:
    """A network without Pods; it is removed on exit."""
    with ExitStack() as stack:
        network_ = Network(stack)
        network_.build()
        yield network_


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _tool(name: str) -> str:
    path = shutil.which(name)
    assert path is not None, f"{name} is not installed"
    return path
