"""Generators of files that are committed; `python -m tools.generate --check` proves them fresh."""
