"""Translate between OCPP messages and decisions."""
