"""Mirrorplane: an Istio-style control plane for Envoy, built for traffic mirroring.

The four rooms of the package are folders at the top of the repository; here they are linked into one importable
package, so that a checkout, an editable install and the wheel import the same names. See decision 0119.
"""

__version__ = "0.1.0"
