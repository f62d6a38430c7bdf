"""What happens in a running control plane, as events that subscribers follow."""
