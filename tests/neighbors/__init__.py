"""Neighbors that fail or lie: session stores, key servers, files, the log's reader, and other processes.

`lying.py` is a server whose answers are a function, a *mode*. The modes of each protocol are in a module of their own,
such as `redis_modes.py`. `beside.py` runs AuthGate with such a neighbor, and checks meanwhile that nobody else notices.
"""
