"""Istio's networking API, one file a kind. networking.istio.io v1alpha3, v1beta1 and v1 share one schema.

A field that is not here is not read yet, and the decoder says so.
"""

GROUP = "networking.istio.io"
VERSIONS = ("v1", "v1beta1", "v1alpha3")
