"""The processes that hold sockets: `stations` speaks OCPP-J to stations, `operators` REST to people.

main.py      run(): waits for Redis, listens, and leaves in order on SIGTERM
ports.py     bound first, handed on          lobby.py  who answers on them until Redis does
node.py      Node: one incarnation, as Redis and the workers know it; what both listeners stand on
uplink.py    Appender: everything that one turn of the event loop brings, in one pipeline
downlink.py  Downlink: answers, commands, closes, replies and pongs for this node
pulse.py     Pulse: canaries, heartbeat, Redis's time and memory, what is due by the clock
tally.py     Tally: failures by key within a minute
security.py  SecurityLog: security events that an edge notices itself
sink.py      Sink: what the stations' listener takes from its node
stations/    the OCPP-J endpoint
transfers/   files that stations fetch and leave, on a port of their own
charts/      pictures of limits and draws, for the API
operators/   the REST API, the live feed, health and metrics

station ── stations ── Appender ──> uplink ... worker ... downlink ──> Downlink ── stations ──> station
"""
