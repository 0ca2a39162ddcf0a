"""Reads the uplinks, commits and settles."""
