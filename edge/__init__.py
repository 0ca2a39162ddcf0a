"""The processes that hold sockets: `stations` speaks OCPP-J to stations, `operators` REST to people."""
