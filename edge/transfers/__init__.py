"""Files that stations fetch and leave over HTTP, on a port of its own: firmware, diagnostics, logs.

    storage.py    where contents lie: a directory behind a small interface, every write whole or not at all
    receiving.py  a body into the storage: bounded, hashed, neither too slow nor cut short
    sending.py    a file, or a range of it, to whoever asked; what of it has truly arrived
    guard.py      connections that never say what they want are closed
    handlers.py   what a link allows: GET until all of it was fetched, PUT or POST once
    listener.py   the port: one application, bounded, without the operators' API
    sweeping.py   files whose time is over are deleted, one edge at a time
    places.py     where stations may be sent: our own port, and what the setting allows

Any edge serves any file: the directory is shared, the records are in Redis, and a link is signed with a key that all of
them know. Tokens are never logged: a line names the file and the station.
"""
