"""Traefik: its generated configuration, and the check of a deployed one."""
