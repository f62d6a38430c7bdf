"""What the rules of HTTPRoute, GRPCRoute, TLSRoute, TCPRoute and UDPRoute mean."""
