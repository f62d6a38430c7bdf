"""A proxy described in a small YAML file: role, name, namespace, ip, labels, its identity, its version of Envoy."""

import sys
from pathlib import Path
from typing import Any

import msgspec

from mirrorplane.api.envoy_features import parse_version
from mirrorplane.api.proxy import Locality, Proxy
from mirrorplane.bootstrap.node import validated
from mirrorplane.controlplane.manifests.composer import YamlError
from mirrorplane.controlplane.manifests.documents import read_documents
from mirrorplane.controlplane.manifests.field_errors import field_error
from mirrorplane.controlplane.manifests.unknown_fields import unknown_fields

_MAX_BYTES = 64 << 10
_STDIN = Path("-")


class NodeFileError(ValueError):
    """An invalid node file. The message says where and why."""


class _Node(msgspec.Struct, frozen=True):
    name: str
    role: str = "sidecar"
    namespace: str = "default"
    ip: str = "127.0.0.1"
    domain: str = "cluster.local"
    labels: dict[str, str] = {}
    locality: Locality = Locality()
    interception: str = "NONE"
    unprivileged: bool = False
    identity: str = ""
    envoy_version: str = ""


def read_node(path: Path) -> Proxy:
    """Return the proxy that a file of one YAML document describes; `-` is standard input.

    Raises NodeFileError, also for names that Kubernetes would not allow.
    """
    try:
        if path == _STDIN:
            text = sys.stdin.buffer.read(_MAX_BYTES + 1)
        else:
            with path.open("rb") as file:
                text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise NodeFileError(f"{path}: larger than {_MAX_BYTES >> 10} KiB, so not a node file")
        node = _node(_only_document(text))
        check_version("envoy_version", node.envoy_version)
        return validated(Proxy(**msgspec.structs.asdict(node)))
    except YamlError as error:
        line = f":{error.line}" if error.line else ""
        raise NodeFileError(f"{path}{line}: cannot be read: {error.message}") from error
    except OSError as error:
        raise NodeFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise NodeFileError(f"{path}: {error}") from error


def check_version(field: str, version: str) -> None:
    """Raise ValueError for a text that is no version of Envoy; none is the newest."""
    if version and parse_version(version) is None:
        raise ValueError(f"{field}: {version!r} is not a version of Envoy: want MAJOR.MINOR.PATCH, for example 1.38.3")


def _only_document(text: bytes) -> Any:
    documents = list(read_documents(text))
    if len(documents) != 1:
        raise ValueError(f"expected one YAML document that describes a proxy, found {len(documents)}")
    return documents[0].value


def _node(value: Any) -> _Node:
    for unknown in unknown_fields(value, _Node):
        names = f"known are {', '.join(unknown.valid_names)}"
        fix = f"did you mean {unknown.suggestion}?" if unknown.suggestion else names
        raise ValueError(f"{unknown.path}: unknown field ({fix})")
    try:
        return msgspec.convert(value, _Node)
    except msgspec.ValidationError as error:
        wrong = field_error(error, value, _Node)
        at, fix = f"{wrong.path}: " if wrong.path else "", f" ({wrong.fix})" if wrong.fix else ""
        raise ValueError(f"{at}{wrong.message}{fix}") from error
