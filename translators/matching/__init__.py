"""What Envoy does with a request, computed from the resources it is served. Held against a real Envoy by the tests.

Only what our outputs make use of is understood; the rest of Envoy's language is not.
"""
