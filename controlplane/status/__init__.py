"""The status of objects: what is said of them, what proxies have accepted, since when."""
