"""How Istio's conventions read: fragments that several inputs share."""
