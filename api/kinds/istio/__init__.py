"""Istio's networking API, one file a kind. networking.istio.io v1alpha3, v1beta1 and v1 share one schema.

The decoder reports fields that are not declared here: they are not supported.
"""

GROUP = "networking.istio.io"
VERSIONS = ("v1", "v1beta1", "v1alpha3")
