"""The admin address: health, metrics, and debug pages over HTTP."""
