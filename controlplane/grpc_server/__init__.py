"""The gRPC server: one address, TLS, identity and limits for every service that registers on it."""
