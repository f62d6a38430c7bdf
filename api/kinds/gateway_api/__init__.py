"""Kubernetes' Gateway API, one file a kind. v1 and v1beta1 share one schema.

A field that is not here is not read yet, and the decoder says so. Limits and defaults are those of the CRDs.
"""

GROUP = "gateway.networking.k8s.io"
VERSIONS = ("v1", "v1beta1")
