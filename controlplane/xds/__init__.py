"""The xDS protocol: pure steps (sotw, delta) and the gRPC transport around them."""
