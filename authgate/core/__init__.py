"""The pure core: given a request, a snapshot and the time, it decides whether the request may pass.

It uses only the standard library and reads no clock, file or socket. tests/test_dependencies.py enforces this.
"""
