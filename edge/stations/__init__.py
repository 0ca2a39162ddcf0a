"""The OCPP-J endpoint: WebSockets in, envelopes onto the uplink, answers back; payloads stay bytes.

From a TCP connection to a session:

    listener     a request, from its headers to a session or a refusal
    identity     which station its path means
    handshake    the WebSocket opening handshake, as bytes
    origin       the address behind a trusted proxy
    limits       the admission rate, and limits of failed logins
    door         the station's own policy: known, key, security profile
    opening      epoch, end of the older socket, upgrade, a last look at the epoch
    handover     takes the socket out of aiohttp's hands

A session's life:

    wire         WebSocket frames over a transport
    session      one station's socket, and what is due on it by the clock
    reading      what a text means: a CALL, an answer, something bad
    forwarding   CALLs to the uplink, one at a time
    delivering   answers and commands to the socket, each written once or reported
    presence     tells Redis of signs of life

All of them together:

    hub          every session of the node; finds the one that an item is for
    failclosed   when an edge must not hold stations
    draining     an orderly end
    meters       the metrics, with their children at hand
"""
