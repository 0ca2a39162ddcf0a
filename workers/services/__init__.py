"""Decide, as pure functions."""
