"""Targets with planted findings, which the tests of the runner use."""
