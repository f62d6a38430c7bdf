"""How a proxy starts: a Node and where its control plane is -> an Envoy bootstrap."""
