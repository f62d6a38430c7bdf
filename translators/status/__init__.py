"""Objects -> their status: one file for each kind, or for kinds with the same status."""
