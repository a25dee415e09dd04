"""The HTTP servers: the auth port for proxies, the admin port for probes and Prometheus."""
