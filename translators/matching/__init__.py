"""What Envoy does with a request, computed from the resources it is served. The tests compare it with a real Envoy.

It understands only the parts of Envoy's API that our outputs use.
"""
