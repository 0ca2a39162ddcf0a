"""OCPP 1.6 message types."""
