"""OCPP-J without IO: frames, connection state, errors and the generated message types."""
