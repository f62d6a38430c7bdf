"""From what translators say about an object to its Kubernetes status: conditions, times, and what proxies accepted."""
