"""Kubernetes' Gateway API, one file for each kind. v1 and v1beta1 share one schema.

A field that is not here is not supported, and the decoder reports it. Limits and defaults are those of the CRDs.
"""

GROUP = "gateway.networking.k8s.io"
VERSIONS = ("v1", "v1beta1")
