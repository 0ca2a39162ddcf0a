"""OCPP-J without IO: bytes in, events and bytes out; nothing here awaits, reads a clock or knows a socket.

    errors       what the peer may break and what gets a CALLERROR; the hierarchy is drawn there
    versions     what differs between the versions, as frozen feature flags; the subprotocol negotiation
    frames       the envelope: `decode` and the encoders; payloads stay raw
    connection   the RPC state machine of one WebSocket, for either role: frames in, events out
    events       what a connection tells its owner
    messages     what every generated type is built on: `Request`, `Response`, `Unconfirmed`
    v16, v2x     the generated types: 1.6; 2.0.1 and 2.1 in one family
    actions      per version: the request types by action, and who sends them
    payloads     raw JSON to a typed message: strict, then lenient with flags
    lenient      the lenient pass itself
    paths        what a path into a payload leads to, for words about it
    quirks       which deviations are tolerated, and how, as data; the names of the flags
    standard_keys   the configuration keys of the standard: types, access; measurands and their lists
    timestamps   what stations write as time, to milliseconds since the epoch, and back

The way of a frame: a `connection` (of an edge's session, or of a simulated station) reads its envelope by
`frames.decode` and says whose turn it is; an edge never looks deeper. The worker reads the payload: `payloads.parse`.
"""
