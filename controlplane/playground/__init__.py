"""A mesh on one machine: real Envoys, workloads that log like gunicorn, and the demo told with them."""
