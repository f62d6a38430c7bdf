"""How a proxy starts: a Proxy and its control plane's address -> the Envoy bootstrap."""
