"""Manifests that stand in for a cluster: a Pod and its EndpointSlice for a workload that runs on this machine.

Ports are those the workload really has, so nothing needs the right to bind port 80.
"""

from collections.abc import Mapping
from importlib import resources

import yaml

TUTORIAL = ("1-service.yaml", "2-default-policy.yaml", "3-mirror.yaml")
"""Istio's mirroring tutorial: its YAML, unchanged."""


def tutorial(name: str) -> str:
    """Return one of the tutorial's manifests."""
    return (resources.files("mirrorplane.controlplane.playground") / "tutorial" / name).read_text()


def local_pod(name: str, service: str, labels: Mapping[str, str], port: int, port_name: str = "http") -> str:
    """Return a Pod on 127.0.0.1, and the EndpointSlice that makes it an endpoint of a service's port."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels)},
        "status": {"podIP": "127.0.0.1"},
    }
    endpoint = {"addresses": ["127.0.0.1"], "targetRef": {"kind": "Pod", "name": name}}
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "endpoints": [endpoint],
        "ports": [{"name": port_name, "port": port}],
    }
    return _documents(pod, endpoints)


def service(name: str, port: int, port_name: str = "http") -> str:
    """Return a Service with one port."""
    return _documents(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"ports": [{"name": port_name, "port": port}], "selector": {"app": name}},
        }
    )


def _documents(*manifests: object) -> str:
    text: str = yaml.safe_dump_all(manifests, sort_keys=False)
    return text
