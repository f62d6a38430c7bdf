"""A mesh on this machine: a folder of manifests, a control plane that follows it, and real Envoys.

The demo and the end-to-end tests are built on it. Nothing is faked: files are written as a user writes them, and the
control plane reads them as it reads the user's.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import yaml

from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.api.proxy import Proxy
from mirrorplane.bootstrap.envoy import XdsAddress, bootstrap
from mirrorplane.bootstrap.tls import XdsTls
from mirrorplane.controlplane.app import App, ServeOptions
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.identity.authoriser import Security
from mirrorplane.controlplane.manifests.decode import decode, registry_of
from mirrorplane.controlplane.playground.proxy import DEFAULT_OPTIONS, EnvoyProcess
from mirrorplane.controlplane.settings import Address

_DEADLINE_S = 60.0
_POLL_S = 0.005
_ANY = Address("127.0.0.1", 0)
_BETWEEN = re.compile(r"^---$", re.MULTILINE)


class StageError(RuntimeError):
    """Something did not happen in time. The message says what, and which findings there are."""


class Stage:
    """Use as an async context manager. `xds` keeps the same port when the control plane is started again.

    With `security`, proxies have to prove who they are. `given` are objects beside those of the folder.
    """

    def __init__(
        self,
        folder: Path,
        xds: Address = _ANY,
        security: Security = Security(),  # noqa: B008
        given: tuple[AnyObject, ...] = (),
    ) -> None:
        self.folder = folder
        self.xds = xds
        self._security, self._given = security, given
        self.envoys: dict[str, EnvoyProcess] = {}
        self.envoy_options = DEFAULT_OPTIONS
        self._stack = AsyncExitStack()
        self._app: App | None = None
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Stage":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        await self.stop()

    @property
    def app(self) -> App:
        """The running control plane."""
        assert self._app is not None, "the control plane is stopped"
        return self._app

    async def start(self) -> None:
        """Start a control plane on the folder."""
        options = ServeOptions((self.folder,), self.xds, _ANY, security=self._security, objects=self._given)
        self._app = App(options)
        await self._app.start()
        self.xds = Address(self.xds.host, self._app.xds_port)
        self._following = asyncio.create_task(self._app.run())

    async def stop(self) -> None:
        """Stop the control plane; Envoys keep their configuration."""
        if self._app is not None and self._following is not None:
            self._app.stop()
            await self._following
            await self._app.close()
        self._app = self._following = None

    async def sidecar(self, proxy: Proxy, *, delta: bool = True, tls: XdsTls | None = None) -> EnvoyProcess:
        """Start an Envoy for a proxy, with `envoy_options`, and wait until it serves."""
        config = bootstrap(proxy, XdsAddress(self.xds.host, self.xds.port, delta=delta, tls=tls))
        envoy = EnvoyProcess(config, self.envoy_options)
        self.envoys[proxy.id] = await self._stack.enter_async_context(envoy)
        await self.settled()
        return envoy

    async def apply(self, manifests: str) -> None:
        """Do what `kubectl apply` does: write each object, unchanged, and wait until every proxy has the result."""
        objects, registry = [], registry_of(catalogue().kinds)
        for text in _BETWEEN.split(manifests):
            obj = decode(yaml.safe_load(text), registry).object
            if obj is None:
                raise StageError(f"invalid manifest: {text}")
            objects.append(obj)
            self.write(file_name(obj.ref), text)
        await self.until(
            lambda: self.published(lambda served: all(_is_served(obj, served) for obj in objects)),
            "the applied objects were published",
        )
        await self.settled()

    def write(self, name: str, text: str) -> None:
        """Replace a file of the folder in one step, as careful editors do."""
        part = self.folder / f".{name}.part"
        part.write_text(text)
        part.replace(self.folder / name)

    async def settled(self) -> None:
        """Wait until every Envoy is connected and has answered everything that it was sent."""
        await self.until(self._is_settled, "every proxy was up to date")

    def published(self, condition: Callable[[Mapping[Ref, AnyObject]], bool]) -> bool:
        """Tell whether the newest objects meet a condition, and every proxy was offered what follows from them."""
        plane = self.app.plane
        return plane.published == plane.snapshot.version and condition(plane.snapshot.objects)

    def _is_settled(self) -> bool:
        streams = list(self.app.xds.statuses())
        connected = {stream.proxy.id for stream in streams}
        return connected >= self.envoys.keys() and all(stream.settled for stream in streams)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Poll until the condition holds. Raises StageError, which names it as `what`, after the deadline."""
        deadline = asyncio.get_running_loop().time() + _DEADLINE_S
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                findings = "; ".join(f.message for f in self.app.plane.findings.all()) or "no findings"
                raise StageError(f"{_DEADLINE_S:.0f} s passed before {what} ({findings})")
            await asyncio.sleep(_POLL_S)


def file_name(ref: Ref) -> str:
    """Return the name of the file that `apply` writes an object to."""
    return f"{ref}.yaml".replace("/", " ")


def _is_served(applied: AnyObject, served: Mapping[Ref, AnyObject]) -> bool:
    obj = served.get(applied.ref)
    # Not the whole object: the source numbers its generations.
    return obj is not None and (obj.spec, obj.labels) == (applied.spec, applied.labels)
