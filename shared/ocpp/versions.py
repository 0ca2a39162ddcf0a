"""What differs between OCPP versions, as data."""
