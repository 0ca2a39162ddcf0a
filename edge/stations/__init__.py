"""The OCPP-J endpoint: WebSockets in, envelopes onto the uplink, answers back; payloads stay bytes."""
