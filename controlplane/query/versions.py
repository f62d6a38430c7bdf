"""The versions of this program, of a running control plane, and of the Envoys that are connected to it."""

from collections.abc import Iterator, Mapping

import msgspec

_DIFFERS = ": differs from the client, whose answers may lack fields"


class ServerVersion(msgspec.Struct, frozen=True):
    """The answer of `/version`."""

    version: str
    python: str = ""


class Versions(msgspec.Struct, frozen=True):
    """`server` is None when none was asked. `proxies` counts connected proxies by Envoy's version."""

    client: ServerVersion
    server: ServerVersion | None = None
    proxies: Mapping[str, int] = {}


def this_version() -> ServerVersion:
    """Return the version of this program."""
    import platform

    from mirrorplane import __version__

    return ServerVersion(__version__, platform.python_version())


def version_lines(versions: Versions) -> Iterator[str]:
    """Yield a line for each part."""
    yield f"client   {_spelt(versions.client)}"
    if versions.server is not None:
        differs = _DIFFERS if versions.server.version != versions.client.version else ""
        yield f"server   {_spelt(versions.server)}{differs}"
        counts = ", ".join(f"{count} of Envoy {version}" for version, count in versions.proxies.items())
        yield f"proxies  {counts or 'none connected'}"


def _spelt(version: ServerVersion) -> str:
    return f"{version.version} (Python {version.python})" if version.python else version.version
