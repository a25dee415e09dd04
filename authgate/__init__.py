"""AuthGate: a forward-auth service that verifies the JWT of each request for a reverse proxy."""

__version__ = "0.1.0"
