"""The processes that hold sockets and nothing else: `stations` speaks OCPP-J to stations, `operators` REST to people.

    main       one process: listeners up, signals, drain, the way out
    node       one incarnation: the connection to Redis, what both listeners share
    uplink     entries of one turn of the event loop go to their streams in one pipeline
    downlink   the reader of this node's stream of answers, commands and closes
    sink       where items for stations are handed over
    pulse      the clock's work: canaries, the node's heartbeat, Redis's durability, time and memory
    stations   the OCPP-J endpoint
    operators  the REST API, the live feed, health and metrics

A frame: `stations` → `uplink` → (a worker) → `downlink` → `sink` → `stations`.
"""
