"""The task service of the example stack. It stands behind AuthGate and does no cryptography."""
