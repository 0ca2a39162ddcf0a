"""Remembers what was decided."""
