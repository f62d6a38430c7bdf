"""The admin HTTP server: health, metrics, debug pages."""
