"""The pure core: given a request, a snapshot and the time, it says whether the request may pass.

Standard library only; reads no clock, no file, no socket (tests/test_dependencies.py enforces it).
"""
