"""The OCPP-J endpoint: WebSockets in, envelopes onto the uplink, answers back; payloads stay bytes.

From a connection to a session:

    listener.py    HTTP in; to a session, or to a refusal that says as much as it may
    identity.py    path -> station id                  handshake.py  RFC 6455, the server's answer
    preface.py     a balancer's PROXY header first      proxy.py      how it is read
    securing.py    the TLS handshake                   tls.py        versions, suites, certificates
    renewing.py    new certificates without a restart
    origin.py      address and TLS behind a proxy      limits.py     admission rate, failed logins
    door.py        the station's own policy: keys, certificates, profiles, unknown stations
    opening.py     its epoch; the older socket is told to close; a last look
    handover.py    the socket leaves aiohttp's request handler

A session at work:

    wire.py        WebSocket frames over a transport
    session.py     one station's state and life; the rules of its CALLs and answers are `shared.ocpp.connection`'s
    reading.py     what a text means                   forwarding.py CALLs to the uplink, when released
    delivering.py  answers and commands to the socket  presence.py   signs of life to Redis
    meters.py      its metrics                         traces.py     its spans, where traces are on

All of them:

    hub.py         finds the session an item is for; the wheel that stands for timers
    failclosed.py  when no station may be held
    draining.py    an orderly end
"""
