"""What is common to the inputs of Kubernetes' Gateway API."""
