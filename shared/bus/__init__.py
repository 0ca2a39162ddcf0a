"""Redis: client, keys, streams, scripts; it carries bytes and knows no OCPP."""
