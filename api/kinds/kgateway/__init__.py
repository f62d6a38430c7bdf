"""kgateway's own API group, gateway.kgateway.dev."""

GROUP = "gateway.kgateway.dev"
