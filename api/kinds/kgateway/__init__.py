"""kgateway's API group, gateway.kgateway.dev."""

GROUP = "gateway.kgateway.dev"
