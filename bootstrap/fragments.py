"""Pieces of Envoy's JSON that several parts of a bootstrap share.

A bootstrap is plain JSON values in Envoy's snake_case field names, not protobuf messages: importing the message classes
took 80 times as long as Python's own start (envoy-data-plane), and a proxy's init container waits for it. In exchange
the tests parse every bootstrap with Envoy's own message definitions, which refuse an unknown field or a wrong type.
Fields stand in the order of Envoy's .proto files.
"""

from typing import Any

Json = dict[str, Any]

LOOPBACK = "127.0.0.1"


def packed(message: str, **fields: Any) -> Json:
    """Return a google.protobuf.Any: the full name of a message, then its fields."""
    return {"@type": f"type.googleapis.com/{message}", **fields}


def without_unset(**fields: Any) -> Json:
    """Return the fields that are set. None, an empty text and an empty list mean unset, as in proto3."""
    return {name: value for name, value in fields.items() if value not in (None, "", [])}


def socket_address(host: str, port: int) -> Json:
    """Return a core.v3.Address."""
    return {"socket_address": {"address": host, "port_value": port}}


def single_endpoint(cluster_name: str, host: str, port: int) -> Json:
    """Return the ClusterLoadAssignment of a cluster with one endpoint."""
    endpoint = {"endpoint": {"address": socket_address(host, port)}}
    return {"cluster_name": cluster_name, "endpoints": [{"lb_endpoints": [endpoint]}]}
