"""A proxy described in a small YAML file: role, name, namespace, ip, labels, and the identity it authenticated as."""

from pathlib import Path
from typing import Any

import msgspec

from mirrorplane.api.proxy import Locality, Proxy
from mirrorplane.bootstrap.node import validated
from mirrorplane.controlplane.manifests.composer import YamlError
from mirrorplane.controlplane.manifests.documents import read_documents

_MAX_BYTES = 64 << 10


class NodeFileError(ValueError):
    """An invalid node file. The message says where and why."""


class _Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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


def read_node(path: Path) -> Proxy:
    """Return the proxy that a file of one YAML document describes.

    Raises NodeFileError, also for names that Kubernetes would not allow.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise NodeFileError(f"{path}: larger than {_MAX_BYTES >> 10} KiB, so not a node file")
        node = msgspec.convert(_only_document(text), _Node)
        return validated(Proxy(**msgspec.structs.asdict(node)))
    except YamlError as error:
        line = f":{error.line}" if error.line else ""
        raise NodeFileError(f"{path}{line}: cannot be read: {error.message}") from error
    except OSError as error:
        raise NodeFileError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    except (msgspec.ValidationError, ValueError) as error:
        raise NodeFileError(f"{path}: {error}") from error


def _only_document(text: bytes) -> Any:
    documents = list(read_documents(text))
    if len(documents) != 1:
        raise ValueError(f"Expected one YAML document that describes a proxy, found {len(documents)}")
    return documents[0].value
