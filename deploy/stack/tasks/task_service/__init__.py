"""The task service of the example stack. It runs behind AuthGate and does no cryptography."""
