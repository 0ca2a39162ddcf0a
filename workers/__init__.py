"""The processes that decide; they hold nothing, so that each can be killed, added or replaced at any moment.

    main       one process: everything below as supervised tasks
    heartbeat  says that a worker lives, and which schema it knows
    consumer   reads the uplinks, runs batches, settles
    authorizer asks an external service about tags that are kept elsewhere
    dispatch   finds the decision for an entry
    handlers   translate OCPP into calls of services
    services   decide, as pure functions
    store      loads state, collects changes, commits them
    uplinks    what the workers themselves put on stations' uplinks
    sweeps     due timers and passed presence deadlines become entries
    jobs       arq's part; no promise rests on it

consumer > dispatch > handlers > services > store: each imports only what stands to its right.
"""
