"""Finds the handler for a frame."""
