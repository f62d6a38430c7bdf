"""Gateways, ListenerSets and GatewayClasses: which listeners are served, and how."""
