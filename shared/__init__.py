"""What edge and workers both stand on; it imports neither.

- `ocpp`: OCPP-J without IO: frames, connection state, errors, message types
- `records`: what is stored, and how it is read
- `bus`: Redis: connections, keys, streams, scripts; it carries bytes
- `envelopes`: what travels between edge and workers
- `settings`, `policy`: the configuration of a process, and the part of it that decisions see
- `quirk_profiles`: what needs a choice per model, as data files
- `smartcharging`: what charging profiles allow, and what is wrong with one, as pure functions
- `durability`: what Redis must be before it is trusted
- `certificates`: X.509 of stations: requests, an authority, revocation lists
- `credentials`: how keys, passwords and tokens are kept and checked
- `presence`: how long a station counts as there without a sign of life
- `urls`: what in a URL is not shown, and which ones are allowed
- `clock`, `logs`: injected time, and lines without secrets
- `memory`: garbage collection for processes that serve
- `metrics`, `series`, `observe`: the catalogue, the cheap counters under it, and the routes that show them
- `tracing`, `otel`: what the processes know of traces, and OpenTelemetry, which only runs where they are on
"""
