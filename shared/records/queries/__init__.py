"""Reads for the operators' listener: few round trips, all of them bounded, nothing written.

    cursors.py       Position: where a list goes on, as an opaque text that is checked when it comes back
    reading.py       what all share: replies without errors, pages of a sorted set
    registers.py     records by name that are kept as one and swapped whole
    stations.py      stations one by one and in order, with filters; their connectors
    transactions.py  transactions by start, newest first; their meter values
    commands.py      what is queued for a station, what is outstanding
    reservations.py  reservations, newest first
    works.py         what jobs and campaigns of firmware share: staged, made, changed, listed
    jobs.py          jobs over many stations: written, listed, their results (no station's state either)
    configuration.py stations' configurations and their history; drifts and their rules
    models.py        models and the operators' word on them
    profiles.py      charging profiles of the library and of stations
    probes.py        probes, their reports, what was learned of models
    sites.py         sites and their writes; site_history.py: their minutes
    tags.py          id tags in order, and their writes (no station's state, so no commit of a station)
    authorization.py authorization policies and their writes; local lists, and how stations hold them
    demand.py        demand response events: written, listed, their stations; prices.py: prices of areas
    templates.py     templates and their writes (no station's state either); how stations stand to them
    certificates.py  stations' certificates by their end, what is revoked, least security profiles
    tokens.py        operators' tokens, read and written
    audit.py         the audit log, appended to and read
    security_events.py  security events, written and read
    quarantine.py    frames that nobody understood, newest first
    events.py        the event stream behind a position, and whether something was lost in between
    files.py         files: written and listed
    firmware.py      images and campaigns of firmware: written, listed, their stations
    summary.py       a few numbers about everything

A list that filters looks at a bounded number of records per call: its page may be short, or empty, and still go on.
"""
