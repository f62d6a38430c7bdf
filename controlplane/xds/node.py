"""A proxy from its xDS Node.

Separate because the Node is 60 KB, of which we need a dozen strings: it is read once here and never kept.
Metadata keys are Istio's (`istio.io/istio/pkg/model.NodeMetadata`).
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct

from mirrorplane.api.envoy_features import FEATURES, UPSTREAM_FILTERS
from mirrorplane.api.proxy import INTERCEPTIONS, TPROXY, Locality, NodeIdError, Proxy, parse_node_id
from mirrorplane.controlplane.xds.requests import ProtocolError

MAX_LABELS = 256
MAX_TEXT = 1024
MAX_LABELS_SIZE = 64 << 10
"""Characters of all labels together. Kubernetes' own limits, 317 for a key and 63 for a value, allow 170 labels."""


def proxy_from_node(node: Any) -> Proxy:
    """Read an `envoy.config.core.v3.Node`. Raises ProtocolError for a node without a usable identity."""
    try:
        role, ip, name, namespace, domain = parse_node_id(_checked("node id", node.id))
    except NodeIdError as error:
        raise ProtocolError(str(error)) from error
    return Proxy(
        role=role,
        name=name,
        namespace=_text(node.metadata, "NAMESPACE") or namespace,
        ip=ip,
        domain=domain,
        labels=_labels(node.metadata),
        locality=_locality(node.locality),
        interception=_interception(node.metadata),
        unprivileged=_flag(node.metadata, "UNPRIVILEGED_POD"),
        envoy_version=_envoy_version(node),
        upstream_filters=_upstream_filters(node),
    )


def _envoy_version(node: Any) -> str:
    """Return `1.40.0`, or `1.40.0-dev` for a build between releases; "" for clients that are no Envoy.

    Envoy sets it itself. Istio's proxies do too: ISTIO_VERSION in their metadata is another number.
    """
    if node.user_agent_name != "envoy" or not node.HasField("user_agent_build_version"):
        return ""
    build = node.user_agent_build_version
    label = _text(build.metadata, "build.label")
    numbers = (build.version.major_number, build.version.minor_number, build.version.patch)
    return ".".join(map(str, numbers)) + (f"-{label}" if label else "")


def _upstream_filters(node: Any) -> tuple[str, ...] | None:
    """Return the filters of `envoy_features` that an Envoy's build has; None where its Node lists no extensions."""
    names = {feature.upstream_filter for feature in FEATURES}
    listed = (e for e in node.extensions if e.category == UPSTREAM_FILTERS and not e.disabled)
    return tuple(sorted({e.name for e in listed} & names)) if node.extensions else None


def _interception(metadata: Struct) -> str:
    mode = _text(metadata, "INTERCEPTION_MODE") or "NONE"
    if mode not in INTERCEPTIONS:
        raise ProtocolError(f"node metadata INTERCEPTION_MODE {mode!r} is not one of {', '.join(INTERCEPTIONS)}")
    if mode == TPROXY:
        raise ProtocolError("node metadata INTERCEPTION_MODE TPROXY is not supported: use REDIRECT")
    return mode


def _labels(metadata: Struct) -> Mapping[str, str]:
    if "LABELS" not in metadata.fields:
        return {}
    labels = metadata.fields["LABELS"].struct_value.fields
    if len(labels) > MAX_LABELS:
        raise ProtocolError(f"node metadata LABELS has {len(labels)} labels: the limit is {MAX_LABELS}")
    texts = {key: labels[key].string_value for key in sorted(labels) if labels[key].HasField("string_value")}
    size = sum(len(key) + len(value) for key, value in texts.items())
    if size > MAX_LABELS_SIZE:
        raise ProtocolError(f"node metadata LABELS has {size} characters: the limit is {MAX_LABELS_SIZE}")
    for key, value in texts.items():
        _checked("key of node metadata LABELS", key)
        _checked(f"node metadata LABELS {key}", value)
    return texts


def _locality(locality: Any) -> Locality:
    parts = {field: getattr(locality, field) for field in ("region", "zone", "sub_zone")}
    return Locality(*(_checked(f"node locality {field}", text) for field, text in parts.items()))


def _flag(metadata: Struct, key: str) -> bool:
    """Read a flag: a bool, or Istio's text form "true"."""
    return _text(metadata, key).lower() == "true" or (key in metadata.fields and metadata.fields[key].bool_value)


def _text(metadata: Struct, key: str) -> str:
    return _checked(f"node metadata {key}", metadata.fields[key].string_value if key in metadata.fields else "")


def _checked(field: str, text: str) -> str:
    """Return a text. Raises ProtocolError if it is too long, or could forge lines in a log."""
    if len(text) > MAX_TEXT:
        raise ProtocolError(f"{field} of {len(text)} characters: the limit is {MAX_TEXT}")
    if not text.isprintable():
        raise ProtocolError(f"{field} {text!r} contains characters that are not printable")
    return text
