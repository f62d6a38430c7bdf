"""What a router listens on: servers, hosts and the rules that apply to them."""
